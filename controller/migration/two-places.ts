// The two places of a VM that moves: which switches are there, and whether they can be asked.

import { createHash } from 'node:crypto'
import { type Nanoseconds, MILLISECOND, sleep } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { networksOf, vmNamed } from '../../topologies/lookup.ts'
import { switchAt, switchesOf } from '../../topologies/relocation.ts'
import type { Host, Nic, Vm } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import { Conflict } from '../model.ts'
import type { Place } from '../network/bindings.ts'
import { SwitchAway, type RemoteSwitch } from '../southbound/remote-switch.ts'
import { leftBehind, type FormerPlace, type LeftBehind } from './left-behind.ts'
import { policyOf } from './policy.ts'

export const unknownAt = (host: string): string => `what ${host} has still is not known: it can not be asked`

export class TwoPlaces {
  readonly vm: Vm
  readonly #world: World
  /** The host that it comes from. */
  readonly #from: string

  constructor(world: World, vm: Vm, from: string) {
    this.#world = world
    this.vm = vm
    this.#from = from
  }

  switchesAt(host: string): string[] {
    return switchesOf(this.vm, this.#host(this.#from), this.#host(host))
  }

  /** That on which the vNIC has its port there. @throws SwitchAway */
  remoteAt(host: string, nic: Nic): RemoteSwitch {
    return this.#remote(this.switchNameAt(host, nic))
  }

  switchNameAt(host: string, nic: Nic): string {
    return switchAt(nic, this.#host(this.#from), this.#host(host))
  }

  /** Whether the VM's ports at the host can be asked. */
  isThere(host: string): boolean {
    return this.switchesAt(host).every((name) => this.#world.fleet.reconciler(name).connected)
  }

  async waitFor(host: string, span: Nanoseconds): Promise<void> {
    const { fleet, clock } = this.#world
    await fleet.whenConnected(this.switchesAt(host), { span, clock })
  }

  /** Does what needs the switches at the host, again where one goes meanwhile. @throws SwitchAway where they are not there by then */
  async whileThere(host: string, span: Nanoseconds, work: () => Promise<void>): Promise<void> {
    const { clock } = this.#world
    for (const end = clock.now() + span; ; await sleep(clock, MILLISECOND))
      try {
        await this.waitFor(host, end - clock.now())
        return await work()
      } catch (error) {
        if (!(error instanceof SwitchAway) || clock.now() >= end) throw error
      }
  }

  /** The ports that it has at one of its places. */
  portsAt(which: 'home' | 'target'): FormerPlace[] {
    const { bindings, zones } = this.#world.view()
    return this.vm.nics.flatMap(({ id }) => {
      const place = bindings.get(id)?.[which]
      if (place === undefined) return []
      const zone = zones.get(place.host)?.get(id)
      return { nic: id, switch: place.switch, port: place.port, ...(zone !== undefined && { zone }) }
    })
  }

  /**
   * What the host has still of ports that it has given up. It is waited for so long; where it is away by then, that is not known
   * (`unknownAt`), and it is cleared once it is back.
   */
  async lookBehind(host: string, ports: readonly FormerPlace[], span: Nanoseconds): Promise<LeftBehind | undefined> {
    const { fleet, log } = this.#world
    const { vms } = this.#world.intent().topology
    const isBack = vmNamed(vms, this.vm.name)?.host === host
    if (ports.length === 0 || isBack) return { leftBehind: [], connectionsEnded: 0 }
    await this.waitFor(host, span)
    // One that has just come has been told nothing yet.
    await fleet.pushEach(this.switchesAt(host))
    try {
      return await this.#leftBehind(host, ports)
    } catch {
      void this.#clearOnReturn(host, ports).catch((error: unknown) => log(textOf(error)))
      return undefined
    }
  }

  /** @throws SwitchAway */
  async #leftBehind(host: string, ports: readonly FormerPlace[]): Promise<LeftBehind> {
    const all = await Promise.all(
      ports.map((place) => {
        const isFree = (zone: number) => !this.#zonesInUse(host).includes(zone)
        return leftBehind(this.#remote(place.switch), place, { networks: this.#networksGone(place), isFree })
      }),
    )
    return {
      leftBehind: all.flatMap((one) => one.leftBehind),
      connectionsEnded: all.reduce((sum, one) => sum + one.connectionsEnded, 0),
    }
  }

  /** The host is away: connections of ports that it has given up end once it is back, however long that takes. @throws SwitchAway, SwitchRefused */
  async #clearOnReturn(host: string, ports: readonly FormerPlace[]): Promise<void> {
    const { fleet } = this.#world
    const switches = this.switchesAt(host)
    await fleet.whenConnected(switches)
    await fleet.push(switches)
    await this.#leftBehind(host, ports)
  }

  /** Numbers of networks of the vNIC that the switch has no part in any more. */
  #networksGone({ nic: id, switch: name }: FormerPlace): number[] {
    const { networks, switches } = this.#world.view()
    const here = switches.get(name)?.networks
    const nic = this.vm.nics.find((one) => one.id === id)
    return (nic === undefined ? [] : networksOf(nic)).flatMap((network) => {
      const number = networks.get(network)?.number
      return number === undefined || here?.has(network) ? [] : number
    })
  }

  /** A digest of the policy of its ports there, as their switches have it. */
  policyAt(host: string): string {
    const { bindings } = this.#world.view()
    const policies = this.vm.nics
      .map((nic) => {
        const { home, target } = bindings.get(nic.id)!
        const place: Place | undefined = home.host === host ? home : target
        if (place === undefined) throw new Conflict(`${nic.id} has no place at ${host}`)
        return policyOf(this.#world.fleet.reconciler(place.switch).confirmed, nic.id, place.port)
      })
      .join('\n')
    return createHash('sha256').update(policies).digest('hex')
  }

  #zonesInUse(host: string): number[] {
    return [...(this.#world.view().zones.get(host)?.values() ?? [])]
  }

  #remote(name: string): RemoteSwitch {
    return this.#world.fleet.reconciler(name).remote
  }

  #host(name: string): Host {
    return this.#world.intent().topology.hosts.find((host) => host.name === name)!
  }
}
