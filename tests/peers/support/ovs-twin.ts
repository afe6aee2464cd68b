// One bridge of a real Open vSwitch with the ports that a test switch has, to be asked the same questions.

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FlowSpec, GroupMod, PortConfig } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { printFlow } from '../../../protocols/flow-text/print.ts'
import { printGroup } from '../../../protocols/flow-text/print-groups.ts'
import { GrowingCapture } from './growing-capture.ts'
import type { Ovs } from './ovs.ts'
import { startOvs } from './ovs.ts'

const BRIDGE = 'twin'

/** Nothing is cached. What is over is looked for every 20 ms of real time, and not twice a second: somebody waits for that. */
const NO_CACHES = ['flow-limit=0', 'max-idle=20', 'max-revalidator=20']

export type OpenFlowVersion = 'OpenFlow10' | 'OpenFlow15'

/** What a port's VLAN settings are; none for a trunk of everything. */
export type VlanSettings = Pick<PortConfig, 'vlanMode' | 'tag' | 'trunks' | 'cvlans'>

const portName = (number: number) => `twin${number}`

export class OvsTwin {
  readonly #ovs: Ovs
  readonly #sent = new Map<number, GrowingCapture>()

  private constructor(ovs: Ovs) {
    this.#ovs = ovs
  }

  /**
   * Ports 1 to `ports` and LOCAL. `caches: false` keeps no answer of the pipeline for a later frame: Open vSwitch learns
   * addresses from frames that its caches answer only now and then, and forgets stale answers as late.
   */
  static async start({ ports, caches }: { ports: number; caches: boolean }): Promise<OvsTwin> {
    const twin = new OvsTwin(await startOvs())
    try {
      await twin.#setUp(ports, caches)
      return twin
    } catch (error) {
      await twin.stop()
      throw error
    }
  }

  async #setUp(ports: number, caches: boolean): Promise<void> {
    const settings = ['vlan-limit=0', ...(caches ? [] : NO_CACHES)].map((setting) => `other_config:${setting}`)
    await this.#ovs.vsctl('set', 'Open_vSwitch', '.', ...settings)
    await this.#ovs.addBridge(BRIDGE)
    for (let number = 1; number <= ports; number++)
      this.#sent.set(number, new GrowingCapture(await this.#ovs.addPort(BRIDGE, portName(number), number)))
    const local = join(this.#ovs.directory, 'local.pcap')
    await this.#ovs.vsctl('set', 'interface', BRIDGE, `options:tx_pcap=${local}`)
    this.#sent.set(ReservedPort.Local, new GrowingCapture(local))
  }

  async stop(): Promise<void> {
    for (const capture of this.#sent.values()) capture.close()
    await this.#ovs.stop()
  }

  /** Puts these flows in the place of all others, and forgets every address and every cached answer. */
  async setFlows(flows: readonly FlowSpec[], version: OpenFlowVersion): Promise<void> {
    const file = join(this.#ovs.directory, 'flows.txt')
    writeFileSync(file, ['delete', ...flows.map((flow) => printFlow(flow).trim())].join('\n'))
    await this.#ovs.ofctl('-O', version, 'add-flows', this.management, file)
    await this.forget()
  }

  /** Forgets every address that it has learned, and every cached answer. */
  async forget(): Promise<void> {
    await this.command('fdb/flush', BRIDGE)
    await this.command('revalidator/purge')
  }

  /** By OpenFlow 1.5, which has all that a group can have. */
  async changeGroups(groups: readonly GroupMod[]): Promise<void> {
    const file = join(this.#ovs.directory, 'groups.txt')
    writeFileSync(file, groups.map(groupLine).join('\n'))
    await this.#ovs.ofctl('-O', 'OpenFlow15', 'add-groups', this.management, file)
  }

  /** The Unix socket where the bridge speaks OpenFlow. */
  get management(): string {
    return this.#ovs.bridge(BRIDGE)
  }

  /** VLAN settings of the ports from 1 on; none leaves them as they are. */
  async setVlans(settings: readonly VlanSettings[]): Promise<void> {
    if (settings.length === 0) return
    const words = settings.flatMap((port, index) => portWords(portName(index + 1), port))
    await this.#ovs.vsctl(...words)
  }

  /** Lets a frame come in and gives what leaves: `2: 0102…` for a copy through port 2, by port and then in order. */
  async receive(bytes: Uint8Array, port: number): Promise<string[]> {
    await this.#ovs.receive(portName(port), bytes)
    return this.copies()
  }

  /** Lets a frame come in: it has gone its way when the bridge answers whatever is asked next. */
  hand(bytes: Uint8Array, port: number): Promise<void> {
    return this.#ovs.hand(portName(port), bytes)
  }

  async setLink(port: number, up: boolean): Promise<void> {
    await this.command('netdev-dummy/set-admin-state', portName(port), up ? 'up' : 'down')
    await this.command('version')
  }

  async addPort(number: number): Promise<void> {
    this.#sent.set(number, new GrowingCapture(await this.#ovs.addPort(BRIDGE, portName(number), number)))
    await this.command('version')
  }

  async removePort(number: number): Promise<void> {
    await this.#ovs.vsctl('del-port', BRIDGE, portName(number))
    this.#sent.get(number)?.close()
    this.#sent.delete(number)
    rmSync(join(this.#ovs.directory, `${portName(number)}.pcap`))
  }

  /** So many flows, and for more of them others go; none for any number. */
  async limitTable(table: number, flows: number | undefined): Promise<void> {
    const limit = ['--id=@it', 'create', 'Flow_Table', `flow_limit=${flows}`, 'overflow_policy=evict']
    const words = flows === undefined ? [] : [...limit, '--', 'set', 'bridge', BRIDGE, `flow_tables:${table}=@it`]
    await this.#ovs.vsctl(...(words.length > 0 ? ['--', ...words] : ['clear', 'bridge', BRIDGE, 'flow_tables']))
  }

  /** What has left since this was last asked. */
  copies(): string[] {
    return [...this.#sent].flatMap(([number, capture]) => capture.read().map((frame) => `${number}: ${hex(frame)}`))
  }

  /** Asks the daemon by its control socket. */
  command(command: string, ...words: string[]): Promise<string> {
    return this.#ovs.appctl(command, ...words)
  }
}

function groupLine(group: GroupMod): string {
  if (group.command === 'remove_bucket')
    return `remove_bucket group_id=${group.group},command_bucket_id=${group.bucket}`
  return `${group.command} ${printGroup(group)}`
}

function portWords(name: string, { vlanMode, tag, trunks = [], cvlans = [] }: VlanSettings): string[] {
  const settings = [
    ...(vlanMode ? [`vlan_mode=${vlanMode}`] : []),
    ...(tag === undefined ? [] : [`tag=${tag}`]),
    ...(trunks.length > 0 ? [`trunks=${trunks.join(',')}`] : []),
    ...(cvlans.length > 0 ? [`cvlans=${cvlans.join(',')}`] : []),
  ]
  const clear = ['--', 'clear', 'port', name, 'vlan_mode', 'tag', 'trunks', 'cvlans']
  return settings.length === 0 ? clear : [...clear, '--', 'set', 'port', name, ...settings]
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
