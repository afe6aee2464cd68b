// The processes that run hosts: who is there, and what each has been told to run.

import { ConnectionClosed } from '../../protocols/control/connection.ts'
import type { HostConfig, WireStatus } from '../../protocols/control/messages.ts'
import { Conflict } from '../model.ts'
import { hostsByName } from '../network/places.ts'
import type { View } from '../network/view.ts'
import type { RemoteHost } from '../southbound/remote-host.ts'
import { hostConfigOf } from './host-config.ts'
import type { Wires } from './wires.ts'

export interface HostProcess {
  /** Where it dialled in from. */
  peer: string
  /** Why it can not run as it was told to. */
  problem?: string
  wires: WireStatus[]
}

interface Known {
  remote: RemoteHost
  /** What it was last told, as text to compare. */
  told: string
  /** vNICs at whose wires somebody has been, for as long as they have had them. */
  readonly up: Set<string>
  /** Settles once it has answered all that it was told. */
  answered: Promise<void>
}

export class Hosts {
  /** Called when a host's standing may have changed. */
  onStatus: (name: string) => void = () => {}
  readonly #generationId: bigint
  readonly #log: (line: string) => void
  readonly #known = new Map<string, Known>()
  #desired: { view: View; wires: Wires } | undefined

  constructor(generationId: bigint, log: (line: string) => void) {
    this.#generationId = generationId
    this.#log = log
  }

  /** From now on hosts are to be like this; those that are there and concerned are told. */
  desire(view: View, wires: Wires): void {
    const before = this.#desired
    this.#desired = { view, wires }
    const sameFor = (name: string): boolean =>
      before?.wires === wires &&
      before.view.hosted.get(name) === view.hosted.get(name) &&
      hostsByName(before.view.topology).get(name) === hostsByName(view.topology).get(name)
    for (const name of this.#known.keys()) if (!sameFor(name)) this.#tell(name)
  }

  /** Takes in a host that has said who it is; whoever was there under its name is let go. */
  connect(remote: RemoteHost): void {
    const { name, peer } = remote
    const before = this.#known.get(name)?.remote
    if (before !== undefined) this.#log(`${name} is at ${peer} now; the connection with ${before.peer} is closed`)
    this.#known.set(name, { remote, told: '', up: new Set(), answered: Promise.resolve() })
    before?.dismiss(`another process speaks for ${name} now, from ${peer}`)
    remote.onStatus = () => this.#heard(name, remote)
    remote.onClose = () => {
      if (this.#known.get(name)?.remote === remote) this.#known.delete(name)
      this.onStatus(name)
    }
    this.#tell(name)
    this.onStatus(name)
  }

  /** Undefined where it is away. */
  process(name: string): HostProcess | undefined {
    const remote = this.#known.get(name)?.remote
    if (remote === undefined) return undefined
    const { problem, wires } = remote.status
    return { peer: remote.peer, wires, ...(problem !== '' && { problem }) }
  }

  /** Resolves when the host runs what it was told, has said why not, or is away. */
  async settled(name: string): Promise<void> {
    await this.#known.get(name)?.answered
  }

  /**
   * Resolves when the host has all wires of these vNICs that it should, or is away. Rejects with Conflict where it can not have one.
   * What it resolves with throws Conflict where one has been up, and is not any more.
   */
  async joined(name: string, nics: ReadonlySet<string>): Promise<() => void> {
    await this.settled(name)
    const wires = this.process(name)?.wires ?? []
    const failed = wires.find(({ vnic, made, problem }) => !made && problem !== '' && nics.has(vnic))
    if (failed) throw new Conflict(`${name} can not join ${failed.vnic} to ${failed.wire}: ${failed.problem}`)
    return () => {
      const { remote, up } = this.#known.get(name) ?? {}
      const lost = remote?.status.wires.find(({ vnic, connected }) => !connected && nics.has(vnic) && up!.has(vnic))
      if (lost) throw new Conflict(`${name} has lost ${lost.wire}, to which ${lost.vnic} is joined: ${lost.problem}`)
    }
  }

  /** Why the vNIC's wire at the host is not up; undefined where it is, has none, or the host is away. */
  whyDown(name: string, nic: string): string | undefined {
    const wire = this.process(name)?.wires.find(({ vnic, connected }) => vnic === nic && !connected)
    return wire && `${wire.wire}: ${wire.problem}`
  }

  /** Lets go of all. */
  close(): void {
    for (const { remote } of this.#known.values()) remote.close()
  }

  #heard(name: string, remote: RemoteHost): void {
    const known = this.#known.get(name)
    if (known?.remote === remote) {
      const { wires } = remote.status
      for (const { vnic, connected } of wires) if (connected) known.up.add(vnic)
      for (const vnic of known.up) if (!wires.some((wire) => wire.vnic === vnic)) known.up.delete(vnic)
    }
    this.onStatus(name)
  }

  #tell(name: string): void {
    const known = this.#known.get(name)
    if (known === undefined || this.#desired === undefined) return
    const { view, wires } = this.#desired
    const config = hostConfigOf(view, name, wires, this.#generationId)
    const told = textOf(config)
    if (known.told === told) return
    known.told = told
    known.answered = known.remote.configure(config).catch((error: unknown) => {
      if (!(error instanceof ConnectionClosed)) this.#log(`${name}: ${String(error)}`)
    })
  }
}

const textOf = (config: HostConfig): string =>
  JSON.stringify(config, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
