// Cases about what controllers hear without asking: of ports, packets and flows, by what each of two wants to hear and what its
// role is; and which flows go where a table is full.

import type { AsyncConfig, FlowMod, FlowMonitor, Message, PortFlags } from '../../../protocols/control/messages.ts'
import {
  ALL_TABLES,
  PACKET_IN_REASONS,
  PORT_FLAGS,
  REMOVAL_REASONS,
  ReservedPort,
} from '../../../protocols/control/messages.ts'
import {
  parseActions,
  parseFlowMod,
  parseGroupMod,
  parseMatch,
  parseMeterMod,
} from '../../../protocols/flow-text/parse.ts'
import { arpRequest, tcpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import type { Random } from '../../../runtime/random.ts'
import { chance, pick } from '../../support/random-matches.ts'

/** Who of the two controllers says it. */
export type Who = 0 | 1

/** What happens next. Times are milliseconds; a table has room for `flows`. */
export type Step =
  | { kind: 'ask'; who: Who; message: Message }
  | { kind: 'flags'; who: Who; port: number; flags: PortFlags }
  | { kind: 'link'; port: number; up: boolean }
  | { kind: 'add' | 'remove'; port: number }
  | { kind: 'limit'; table: number; flows: number }
  | { kind: 'frame'; port: number; bytes: Uint8Array }
  | { kind: 'pass'; time: number }

export const PORTS: readonly number[] = [1, 2, 3, 4]
/** These are not switched off, but lose their links: what Open vSwitch tells of its devices is then not told apart. */
export const WITH_LINKS: ReadonlySet<number> = new Set([3, 4])
/** These come and go. */
const ADDED: readonly number[] = [5, 6, 7]

/** Milliseconds: no timeout is up in the very one in which somebody looks. */
const STEP = 1507

const anyone = (random: Random): Who => (chance(random, 0.5) ? 0 : 1)
const said = (who: Who, message: Message): Step => ({ kind: 'ask', who, message })
const flow = (text: string, command: NonNullable<FlowMod['command']> = 'add') => parseFlowMod(text, { command })

function frame(random: Random, ports: readonly number[] = PORTS): Step & { kind: 'frame' } {
  const ends = { ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 5, dstPort: 1 + random.below(4) }
  const ip = { ...ends, ttl: pick(random, [0, 1, 2, 64]), payload: new Uint8Array(random.below(40)) }
  const bytes = pick(random, [
    () => tcpFrame(ip),
    () => udpFrame(ip),
    () => arpRequest({ ethSrc: 1n, ipSrc: 1, ipDst: 2 }),
  ])()
  return { kind: 'frame', port: pick(random, ports), bytes }
}

// ---- ports -------------------------------------------------------------------------------------------------------

const PORT_FLOWS = [
  'priority=0,actions=controller',
  'in_port=1,actions=flood',
  'in_port=2,actions=all',
  'in_port=3,actions=1,2,4,5,in_port',
  'priority=9,in_port=1,tcp,actions=group:1',
  'priority=9,in_port=4,udp,actions=controller',
]

/** Of each port some live one is next in the group. */
const FAILOVER =
  'group_id=1,type=ff,bucket=watch_port:2,actions=2,bucket=watch_port:3,actions=3,bucket=watch_port:5,actions=4'

/** Ports are switched off and on, lose their links, come and go; frames meet that, and so do frames from controllers. */
export function portCase(random: Random): Step[] {
  const ports: PortsThen = { added: new Set(), dark: new Set() }
  const steps = [said(0, parseGroupMod(FAILOVER)), ...PORT_FLOWS.map((text) => said(0, flow(text)))]
  if (chance(random, 0.5)) steps.push(said(1, chosen(random)))
  for (let count = 12; count > 0; count--) steps.push(portStep(random, ports))
  return steps
}

interface PortsThen {
  added: Set<number>
  /** Switched off or without a link: no device would take frames in. */
  dark: Set<number>
}

function portStep(random: Random, { added: there, dark }: PortsThen): Step {
  const kind = random.below(20)
  const lit = PORTS.filter((port) => !dark.has(port))
  if (kind < 6) {
    const port = pick(random, [...PORTS, ...there])
    const { down, ...flags } = someFlags(random)
    if (down === undefined || WITH_LINKS.has(port)) return { kind: 'flags', who: anyone(random), port, flags }
    turn(dark, port, !down)
    return { kind: 'flags', who: anyone(random), port, flags: { ...flags, down } }
  }
  if (kind < 10) {
    const [port, up] = [pick(random, [...WITH_LINKS]), chance(random, 0.5)]
    turn(dark, port, up)
    return { kind: 'link', port, up }
  }
  if (kind < 12) return comingOrGoing(random, there)
  if (kind < 16 && lit.length > 0) return frame(random, lit)
  return said(anyone(random), kind < 18 ? packetOut(random) : chosen(random))
}

function turn(dark: Set<number>, port: number, up: boolean): void {
  if (up) dark.delete(port)
  else dark.add(port)
}

const someFlags = (random: Random): PortFlags =>
  Object.fromEntries(PORT_FLAGS.filter(() => chance(random, 0.5)).map((flag) => [flag, chance(random, 0.6)]))

function comingOrGoing(random: Random, there: Set<number>): Step {
  const port = pick(random, ADDED)
  if (there.delete(port)) return { kind: 'remove', port }
  there.add(port)
  return { kind: 'add', port }
}

/** No flow writes to the action set there: Open vSwitch would say that the packet-out did (docs/openflow.md). */
const WITHOUT_SET = [1, 4]

function packetOut(random: Random): Message {
  const { bytes } = frame(random)
  const actions = pick(random, ['flood', 'all', '1,2,3,5', 'controller', 'table', 'dec_ttl,2', 'group:1'])
  const inPort = pick(random, [ReservedPort.Controller, ...(actions === 'table' ? WITHOUT_SET : PORTS)])
  return { type: 'packetOut', inPort, actions: parseActions(actions), frame: bytes }
}

// ---- who hears ---------------------------------------------------------------------------------------------------

const some = <T>(random: Random, all: readonly T[]): T[] => all.filter(() => chance(random, 0.6))

/** OpenFlow 1.3 has one word for what is sent up by actions, wherever they stand. */
const asyncConfig = (random: Random): AsyncConfig => ({
  packetIn: some(random, ['no_match', 'action', 'invalid_ttl'] as const).flatMap((reason) =>
    reason === 'action' ? PACKET_IN_REASONS.filter((one) => one !== 'no_match' && one !== 'invalid_ttl') : [reason],
  ),
  portStatus: some(random, ['add', 'delete', 'modify'] as const),
  flowRemoved: some(random, REMOVAL_REASONS),
})

/** Another role, or other things to hear. Generations go by one from case to case, and none is behind the last. */
function chosen(random: Random): Message {
  switch (random.below(6)) {
    case 0:
    case 1:
      return { type: 'roleRequest', role: pick(random, ['equal', 'primary', 'secondary']), generationId: 0n }
    case 2:
      return { type: 'asyncConfigRequest' }
    case 3:
      return { type: 'setPacketInFormat', format: pick(random, ['openflow', 'nxt_packet_in', 'nxt_packet_in2']) }
    default:
      return { type: 'setAsyncConfig', primary: asyncConfig(random), secondary: asyncConfig(random) }
  }
}

const GROUPS = [1, 2]
const METERS = [1, 2]

const HEARD_FLOWS = [
  'priority=0,actions=controller',
  'ip,nw_ttl=64,in_port=1,actions=controller',
  'priority=7,ip,in_port=1,actions=dec_ttl,2',
  'priority=6,udp,in_port=2,actions=group:1',
  'priority=6,tcp,in_port=2,actions=write_actions(group:2)',
  'priority=5,in_port=3,actions=write_actions(controller)',
  'priority=6,ip,in_port=3,actions=dec_ttl(0,7),3',
  'priority=9,tcp,tp_dst=1,actions=controller(reason=no_match)',
  'priority=9,tcp,tp_dst=2,actions=controller(id=7)',
  'priority=9,udp,tp_dst=1,actions=controller(reason=invalid_ttl,userdata=01.02)',
  'priority=9,udp,tp_dst=2,actions=clone(controller),4',
  'priority=9,tcp,tp_dst=3,actions=goto_table:1',
  'table=1,actions=meter:1,controller',
  'priority=9,udp,tp_dst=3,actions=meter:2,resubmit(,1)',
  'priority=9,udp,tp_dst=4,actions=resubmit(,2)',
  'table=2,priority=0,actions=controller',
]
const HEARD_GROUPS = [
  'group_id=1,type=all,bucket=actions=controller',
  'group_id=2,type=indirect,bucket=actions=controller,1',
]

/** Both choose what they hear; frames are sent up for every reason, and flows go for every reason. */
export function hearingCase(random: Random): Step[] {
  const steps = [...HEARD_GROUPS.map((text) => parseGroupMod(text)), ...METERS.map(meter)].map((message) =>
    said(0, message),
  )
  for (const text of HEARD_FLOWS) if (chance(random, 0.8)) steps.push(said(0, flow(lasting(random, text, TIMEOUTS))))
  for (const who of [0, 1] as const) if (chance(random, 0.7)) steps.push(said(who, chosen(random)))
  for (let count = 16; count > 0; count--) steps.push(hearingStep(random))
  return steps
}

/**
 * An idle timeout of a flow that takes the place of another runs from the last frame of that one in Open vSwitch
 * (docs/openflow.md): later additions have none.
 */
const TIMEOUTS = ['idle_timeout', 'hard_timeout']
const HARD = 'hard_timeout'

const meter = (number: number): Message => parseMeterMod(`meter=${number} pktps bands=type=drop rate=1000`)

/** One timeout at most: Open vSwitch looks for flows whose time is up now and then, and goes by either. */
const lasting = (random: Random, text: string, timeouts: readonly string[]) =>
  `${chance(random, 0.5) ? `${pick(random, timeouts)}=${1 + random.below(3)},` : ''}send_flow_rem,${text}`

function hearingStep(random: Random): Step {
  const kind = random.below(20)
  if (kind < 8) return frame(random)
  if (kind < 13) return said(anyone(random), chosen(random))
  if (kind < 14) return { kind: 'pass', time: STEP }
  if (kind < 15) return said(anyone(random), { type: 'setControllerId', controllerId: pick(random, [0, 7]) })
  return said(anyone(random), kind < 17 ? packetOut(random) : ending(random))
}

/** Flows go with it. */
function ending(random: Random): Message {
  switch (random.below(4)) {
    case 0:
      return { type: 'groupMod', command: 'delete', group: pick(random, GROUPS), groupType: 'all', buckets: [] }
    case 1:
      return { type: 'meterMod', command: 'delete', meter: pick(random, METERS), bands: [] }
    case 2:
      return flow(pick(random, ['table=0,tcp', 'table=0,udp', 'table=1', 'in_port=3']), 'delete')
    default:
      return flow(lasting(random, pick(random, HEARD_FLOWS), [HARD]))
  }
}

// ---- flow monitors -----------------------------------------------------------------------------------------------

const MATCHES = ['', 'ip', 'tcp', 'udp', 'tcp,in_port=1', 'udp,in_port=1', 'tcp,in_port=2', 'tcp,tp_dst=80', 'arp']
const PLAIN_ACTIONS = ['1', '2', '3,1', 'drop', 'controller', 'write_actions(output:2)', 'mod_nw_ttl:3,2']
const ACTIONS = [...PLAIN_ACTIONS, 'group:1', 'group:2']
const IP_ONLY = 'mod_nw_ttl:3,'

/** Flows come, change and go by two hands, and both watch some of them. */
export function monitorCase(random: Random): Step[] {
  const steps = GROUPS.map((group) => said(0, parseGroupMod(`group_id=${group},type=all,bucket=actions=output:2`)))
  for (let count = 5; count > 0; count--) steps.push(said(anyone(random), added(random, TIMEOUTS)))
  let monitors = 0
  const next = () => monitors++
  for (let count = 18; count > 0; count--) steps.push(monitorStep(random, next))
  return steps
}

/** No monitor takes a number that there is: Open vSwitch has no error for it on OpenFlow 1.3 (docs/openflow.md). */
function monitorStep(random: Random, next: () => number): Step {
  const kind = random.below(20)
  if (kind < 5) {
    const monitors = Array.from({ length: 1 + random.below(2) }, () => monitor(random, next()))
    return said(anyone(random), { type: 'flowMonitorRequest', monitors })
  }
  if (kind < 7) return said(anyone(random), { type: 'flowMonitorCancel', id: random.below(MONITORS) })
  if (kind < 8) return { kind: 'pass', time: STEP }
  if (kind < 9)
    return said(anyone(random), {
      type: 'groupMod',
      command: 'delete',
      group: pick(random, GROUPS),
      groupType: 'all',
      buckets: [],
    })
  return said(anyone(random), kind < 14 ? added(random, [HARD]) : changed(random))
}

const MONITORS = 8

function monitor(random: Random, id: number): FlowMonitor {
  const may = () => chance(random, 0.7)
  return {
    id,
    // One of no kind of change is refused.
    flags: { initial: may(), add: may(), delete: may(), modify: true, instructions: may(), own: may() },
    table: pick(random, [0, 1, ALL_TABLES, ALL_TABLES]),
    match: parseMatch(pick(random, MATCHES)),
    ...(chance(random, 0.3) && { outPort: pick(random, [1, 2, 3, ReservedPort.Controller]) }),
  }
}

const subject = (random: Random): string => {
  const index = random.below(MATCHES.length)
  return [`table=${random.below(2)}`, `priority=${10 + index}`, MATCHES[index]].filter(Boolean).join(',')
}

const actionsFor = (random: Random, match: string, all: readonly string[]): string => {
  const actions = pick(random, all)
  return /ip|tcp|udp/.test(match) ? actions : actions.replace(IP_ONLY, '')
}

function added(random: Random, timeouts: readonly string[]): Message {
  const match = subject(random)
  const timeout = chance(random, 0.4) ? `,${pick(random, timeouts)}=${1 + random.below(3)}` : ''
  const flags = chance(random, 0.3) ? ',send_flow_rem' : ''
  return flow(`${match},cookie=${random.below(4)}${timeout}${flags},actions=${actionsFor(random, match, ACTIONS)}`)
}

/** By a part of the match, of the cookie, or of what is done. */
function changed(random: Random): Message {
  const isStrict = chance(random, 0.4)
  const match = isStrict ? subject(random) : pick(random, ['', 'ip', 'tcp', 'in_port=1', 'table=1', 'table=0,udp'])
  const cookie = chance(random, 0.3) ? `,cookie=${random.below(4)}/${pick(random, [1, 3])}` : ''
  if (chance(random, 0.5)) {
    const filter = pick(random, ['', '', ',out_port=2', ',out_group=1'])
    return flow(`${match}${cookie}${filter}`, isStrict ? 'delete-strict' : 'delete')
  }
  const one = match.includes('table') ? match : [match, 'table=0'].filter(Boolean).join(',')
  // Open vSwitch looks at groups only where there is a flow to modify (docs/openflow.md).
  return flow(
    `${one}${cookie},actions=${actionsFor(random, match, PLAIN_ACTIONS)}`,
    isStrict ? 'modify-strict' : 'modify',
  )
}

// ---- full tables -------------------------------------------------------------------------------------------------

const ROOM = 4

/** That one has gone is always told: by this one knows what Open vSwitch does not tell of the other. */
const ANYTHING = {
  table: ALL_TABLES,
  match: [],
  flags: { initial: true, add: true, delete: true, modify: true, instructions: true, own: false },
}

/** More flows than there is room for: one that has a timeout goes, and where none has, the new one is refused. */
export function evictionCase(random: Random): Step[] {
  const steps: Step[] = [{ kind: 'limit', table: 0, flows: ROOM }]
  if (chance(random, 0.6))
    steps.push(said(1, { type: 'flowMonitorRequest', monitors: [{ ...monitor(random, 1), ...ANYTHING }] }))
  // No two end in the same second, however much time goes by.
  const seconds = Array.from({ length: 14 }, (_, index) => 100 + 30 * index)
  for (let count = 14; count > 0; count--) {
    const [at] = seconds.splice(random.below(seconds.length), 1)
    const timeout = chance(random, 0.8) ? `,${pick(random, ['idle', 'hard'])}_timeout=${at}` : ''
    const flags = chance(random, 0.8) ? ',send_flow_rem' : ''
    const match = `priority=${1 + random.below(9)},tcp,in_port=${pick(random, PORTS)}`
    steps.push(said(anyone(random), flow(`${match}${timeout}${flags},actions=2`)))
    if (chance(random, 0.3)) steps.push(frame(random))
    if (chance(random, 0.2)) steps.push({ kind: 'pass', time: STEP })
    if (chance(random, 0.1)) steps.push(said(anyone(random), flow(`tcp,in_port=${pick(random, PORTS)}`, 'delete')))
  }
  return steps
}
