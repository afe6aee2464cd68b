// Cases in which time passes: flows with timeouts, what shortens and refreshes them, and meters.

import type { FlowMod, Message } from '../../../protocols/control/messages.ts'
import { parseFlowMod, parseGroupMod, parseMeterMod } from '../../../protocols/flow-text/parse.ts'
import { tcpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import type { Random } from '../../../runtime/random.ts'
import { chance, pick } from '../../support/random-matches.ts'

/** What both are asked to do next: take messages, take a frame, or let milliseconds pass. */
export type Step = { ask: Message[] } | { frame: Uint8Array; port: number } | { pass: number }

const PORTS = [1, 2, 3] as const
const GROUP = 1

/**
 * Time passes in half seconds and a little: no timeout is ever up in the very millisecond in which one looks, where one side might
 * say so and the other not yet. It passes after every change and every frame, for what these make idle goes when it is looked for.
 */
const LITTLE = 7

/** A case of flows that come and go. */
export function flowCase(random: Random): Step[] {
  const steps: Step[] = [{ ask: [parseGroupMod(`group_id=${GROUP},type=all,bucket=actions=output:2`)] }]
  steps.push({ ask: Array.from({ length: 4 }, () => added(random)) })
  for (let count = 10 + random.below(10); count > 0; count--) {
    const isChange = chance(random, 0.4)
    steps.push(isChange ? { ask: [change(random)] } : { frame: flowFrame(random), port: pick(random, PORTS) })
    steps.push({ pass: 500 * pick(random, [1, 1, 1, 2, 4, 6]) + LITTLE })
  }
  return steps
}

const MATCHES = ['', 'ip', 'udp', 'tcp', ...PORTS.map((port) => `tcp,in_port=${port}`), 'tcp,tp_dst=1']
const TABLES = [0, 0, 1]

/** Table 1 goes no further. */
const isLast = (subject: string) => subject.startsWith('table=1')
const actionsFor = (random: Random, subject: string) => pick(random, isLast(subject) ? LAST_ACTIONS : ACTIONS)

/** Each match has a priority of its own: no frame has a choice between two flows. */
function subjectOf(random: Random, isExact = true): string {
  const match = random.below(MATCHES.length)
  const priority = isExact ? `priority=${1 + match}` : ''
  return [`table=${pick(random, TABLES)}`, priority, MATCHES[match] ?? ''].filter(Boolean).join(',')
}

function change(random: Random): Message {
  const kind = random.below(12)
  if (kind < 7) return added(random)
  if (kind < 10) {
    const isExact = chance(random, 0.5)
    const subject = subjectOf(random, isExact)
    if (kind === 9) return flow(subject, isExact ? 'delete-strict' : 'delete')
    const flags = chance(random, 0.3) ? ',reset_counts' : ''
    const actions = onlyFor(subject, actionsFor(random, subject).replace('group:1', 'output:3'))
    return flow(`${subject}${flags},actions=${actions}`, isExact ? 'modify-strict' : 'modify')
  }
  return chance(random, 0.4)
    ? { type: 'groupMod', command: 'delete', group: GROUP, groupType: 'all', buckets: [] }
    : parseGroupMod(`group_id=${GROUP},type=all,bucket=actions=output:3`)
}

const flow = (text: string, command: NonNullable<FlowMod['command']>): FlowMod => parseFlowMod(text, { command })

function added(random: Random): Message {
  const subject = subjectOf(random)
  const isLearner = !isLast(subject) && chance(random, 0.25)
  const actions = isLearner ? learning(random) : actionsFor(random, subject)
  const given = [subject, `cookie=${random.below(3)}`, ...timeouts(random), ...flags(random)]
  return flow(`${given.join(',')},actions=${onlyFor(subject, actions)}`, 'add')
}

/** Only TCP has an end that a flow may go by. */
const onlyFor = (subject: string, actions: string): string =>
  subject.includes('tcp') ? actions : actions.replace(/^fin_timeout.*?\),/, '')

const timeouts = (random: Random): string[] => [
  ...(chance(random, 0.6) ? [`idle_timeout=${1 + random.below(5)}`] : []),
  ...(chance(random, 0.5) ? [`hard_timeout=${1 + random.below(7)}`] : []),
]

const flags = (random: Random): string[] => [
  ...(chance(random, 0.8) ? ['send_flow_rem'] : []),
  ...(chance(random, 0.2) ? ['reset_counts'] : []),
]

const ACTIONS = [
  'output:2',
  'resubmit(,1)',
  'output:3,resubmit(,1)',
  `group:${GROUP}`,
  'fin_timeout(idle_timeout=2),output:2',
  'fin_timeout(idle_timeout=1,hard_timeout=3),resubmit(,1)',
  'drop',
]
const LAST_ACTIONS = ACTIONS.filter((actions) => !actions.includes('resubmit'))

function learning(random: Random): string {
  const isOfPort = chance(random, 0.6)
  const options = [
    'table=1',
    `priority=${isOfPort ? 20 : 21}`,
    `cookie=${10 + random.below(2)}`,
    ...timeouts(random),
    ...(chance(random, 0.3) ? [`fin_idle_timeout=${1 + random.below(2)}`] : []),
    ...(chance(random, 0.3) ? [`fin_hard_timeout=${1 + random.below(3)}`] : []),
    ...(chance(random, 0.7) ? ['send_flow_rem'] : []),
    ...(chance(random, 0.3) ? ['delete_learned'] : []),
    ...(chance(random, 0.4) ? [`limit=${1 + random.below(2)}`] : []),
    'eth_type=0x800',
    'nw_proto=6',
    ...(isOfPort ? ['NXM_OF_IN_PORT[]'] : []),
    ...(chance(random, 0.5) ? ['output:NXM_OF_IN_PORT[]'] : []),
  ]
  return `learn(${options.join(',')}),resubmit(,1)`
}

const TCP_FLAGS = [TcpFlag.Ack, TcpFlag.Ack, TcpFlag.Syn, TcpFlag.Fin | TcpFlag.Ack, TcpFlag.Rst]

function flowFrame(random: Random): Uint8Array {
  const ends = { ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 5, dstPort: 1 + random.below(2) }
  const payload = new Uint8Array(random.below(40))
  return chance(random, 0.8)
    ? tcpFrame({ ...ends, payload, flags: pick(random, TCP_FLAGS) })
    : udpFrame({ ...ends, payload })
}

/** A case of frames through one meter, in steps of whole milliseconds. */
export function meterCase(random: Random): Step[] {
  const steps: Step[] = [{ ask: [randomMeter(random), flow('in_port=1,actions=meter:1,output:2', 'add')] }]
  steps.push({ ask: [flow('in_port=2,table=0,actions=output:3', 'add')] })
  for (let count = 30; count > 0; count--) {
    const port = chance(random, 0.9) ? 1 : 2
    const ends = { ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 5, dstPort: 6 }
    steps.push({ frame: udpFrame({ ...ends, payload: new Uint8Array(random.below(1400)) }), port })
    if (chance(random, 0.6)) steps.push({ pass: pick(random, [1, 3, 10, 50, 200, 333, 1000, 2500]) })
    if (chance(random, 0.03)) steps.push({ ask: [{ ...randomMeter(random), command: 'modify' }] })
  }
  return steps
}

function randomMeter(random: Random) {
  const isPackets = chance(random, 0.5)
  const hasBurst = chance(random, 0.6)
  const band = () => {
    const rate = isPackets ? 1 + random.below(20) : 1 + random.below(100)
    const burst = isPackets ? 1 + random.below(10) : 12 + random.below(100)
    return `type=drop rate=${rate}${hasBurst ? ` burst_size=${burst}` : ''}`
  }
  const bands = Array.from({ length: 1 + random.below(3) }, band).join(',')
  const words = [
    isPackets ? 'pktps' : 'kbps',
    ...(hasBurst ? ['burst'] : []),
    ...(chance(random, 0.5) ? ['stats'] : []),
  ]
  return parseMeterMod(`meter=1 ${words.join(',')} bands=${bands}`)
}
