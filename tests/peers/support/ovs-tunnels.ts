// VXLAN as a real Open vSwitch sends it: one bridge whose only flow sends every frame into each tunnel, over another bridge
// that stands for the host's own network. All of it is dummy devices, as in Open vSwitch's own tunnel tests.

import { GrowingCapture } from './growing-capture.ts'
import type { Ovs } from './ovs.ts'
import { startOvs } from './ovs.ts'

const [OVERLAY, UNDERLAY] = ['overlay', 'underlay']
const [ENTRY, EXIT] = ['entry', 'exit']

/** Addresses that are none of this machine's: Open vSwitch follows its routes, too. */
export interface TunnelEnds {
  local: string
  remote: string
}

export class OvsTunnels {
  readonly #ovs: Ovs
  #sent: GrowingCapture | undefined

  private constructor(ovs: Ovs) {
    this.#ovs = ovs
  }

  /** One VXLAN port for each set of options (`key=5001`, `ttl=inherit` …). */
  static async start(ends: TunnelEnds, options: readonly (readonly string[])[]): Promise<OvsTunnels> {
    const tunnels = new OvsTunnels(await startOvs())
    try {
      await tunnels.#setUp(ends, options)
      return tunnels
    } catch (error) {
      await tunnels.stop()
      throw error
    }
  }

  async #setUp({ local, remote }: TunnelEnds, options: readonly (readonly string[])[]): Promise<void> {
    const ovs = this.#ovs
    await ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:vlan-limit=0')
    for (const bridge of [OVERLAY, UNDERLAY]) await ovs.addBridge(bridge)
    await ovs.addPort(OVERLAY, ENTRY, 1)
    this.#sent = new GrowingCapture(await ovs.addPort(UNDERLAY, EXIT, 1))
    await this.#command('netdev-dummy/ip4addr', UNDERLAY, `${local}/24`)
    await this.#command('ovs/route/add', `${remote}/32`, UNDERLAY)
    await this.#command('tnl/neigh/set', UNDERLAY, remote, '02:00:00:00:00:99')
    for (const [index, words] of options.entries()) await this.#addTunnel(index, remote, words)
    const outputs = options.map((_, index) => `output:${numberOf(index)}`)
    await ovs.ofctl('add-flow', ovs.bridge(OVERLAY), `actions=${outputs.join(',')}`)
    await ovs.ofctl('add-flow', ovs.bridge(UNDERLAY), 'actions=normal')
  }

  /** The local address is the route's: Open vSwitch takes no address given for one that a dummy device has. */
  async #addTunnel(index: number, remote: string, words: readonly string[]): Promise<void> {
    const name = `vxlan${index}`
    const settings = [`remote_ip=${remote}`, ...words].map((word) => `options:${word}`)
    const number = `ofport_request=${numberOf(index)}`
    const make = ['add-port', OVERLAY, name, '--', 'set', 'interface', name, 'type=vxlan', number]
    await this.#ovs.vsctl(...make, ...settings)
  }

  async stop(): Promise<void> {
    this.#sent?.close()
    await this.#ovs.stop()
  }

  /** The frame as each tunnel sends it, in order. */
  async send(bytes: Uint8Array): Promise<Uint8Array[]> {
    await this.#ovs.receive(ENTRY, bytes)
    return this.#sent!.read()
  }

  #command(command: string, ...words: string[]): Promise<string> {
    return this.#ovs.appctl(command, ...words)
  }
}

const numberOf = (index: number) => 10 + index
