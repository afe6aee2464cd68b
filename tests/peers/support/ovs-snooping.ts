// A bridge of a real Open vSwitch that snoops, with a port for each guest.

import { GrowingCapture } from './growing-capture.ts'
import type { Ovs } from './ovs.ts'
import { startOvs } from './ovs.ts'

const BRIDGE = 'snooping'

export class OvsSnooping {
  readonly #ovs: Ovs
  readonly #sent = new Map<string, GrowingCapture>()

  private constructor(ovs: Ovs) {
    this.#ovs = ovs
  }

  /** Port n is that of the nth guest. */
  static async start(guests: readonly string[]): Promise<OvsSnooping> {
    const snooping = new OvsSnooping(await startOvs())
    try {
      await snooping.#setUp(guests)
      return snooping
    } catch (error) {
      await snooping.stop()
      throw error
    }
  }

  /** Reports count where they are looked at anew, so that nothing is cached. */
  async #setUp(guests: readonly string[]): Promise<void> {
    await this.#ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:flow-limit=0')
    await this.#ovs.addBridge(BRIDGE)
    await this.#ovs.vsctl('set', 'bridge', BRIDGE, 'mcast_snooping_enable=true')
    for (const [index, guest] of guests.entries())
      this.#sent.set(guest, new GrowingCapture(await this.#ovs.addPort(BRIDGE, guest, index + 1)))
    await this.#ovs.ofctl('add-flow', this.#ovs.bridge(BRIDGE), 'actions=normal')
  }

  /** Forgets all, and from now on floods what is for groups that nobody listens to, or does not. */
  async begin(floods: boolean): Promise<void> {
    const setting = `other_config:mcast-snooping-disable-flood-unregistered=${!floods}`
    await this.#ovs.vsctl('set', 'bridge', BRIDGE, setting)
    await this.#command('mdb/flush', BRIDGE)
    await this.#command('fdb/flush', BRIDGE)
    await this.#command('revalidator/purge')
  }

  /** Lets a guest's frame come in. Gives who hears it. */
  async receive(guest: string, frame: Uint8Array): Promise<string[]> {
    await this.#ovs.receive(guest, frame)
    return [...this.#sent].flatMap(([name, capture]) => capture.read().map(() => name)).sort()
  }

  /** Port, VLAN, group and age, a line each, under a heading. */
  mdb(): Promise<string> {
    return this.#command('mdb/show', BRIDGE)
  }

  async stop(): Promise<void> {
    for (const capture of this.#sent.values()) capture.close()
    await this.#ovs.stop()
  }

  #command(command: string, ...words: string[]): Promise<string> {
    return this.#ovs.appctl(command, ...words)
  }
}
