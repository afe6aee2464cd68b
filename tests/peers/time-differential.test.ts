// The same bytes of OpenFlow 1.3, the same frames and the same steps of time for a real Open vSwitch and for ours: flows come, go
// and are told of alike, and meters let the same frames pass.
// Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/time-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FlowStatistics, Message, MessageOf } from '../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import { flowMod } from '../support/test-tables.ts'
import type { Answer, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides, byPort, text, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'
import type { Step } from './support/time-cases.ts'
import { flowCase, meterCase } from './support/time-cases.ts'

describe.runIf(ovsInstalled())('time beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(3)
  })
  afterAll(() => sides.stop())

  test.each(seeds(50))('flows come and go as there (seed %i)', async (seed) => {
    const { ours, theirs } = await compared(sides, flowCase(seeded(seed)), FLOWS)
    expect(ours).toEqual(theirs)
  })

  test.each(seeds(50))('meters let the same frames pass (seed %i)', async (seed) => {
    const { ours, theirs } = await compared(sides, meterCase(seeded(seed)), METERS)
    expect(ours).toEqual(theirs)
  })
})

const FLOWS: Message = {
  type: 'flowStatisticsRequest',
  filter: { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n },
}
const DELETE_ALL = flowMod({ command: 'delete', table: ALL_TABLES, priority: 0 })
const METERS: Message = { type: 'meterStatisticsRequest' }

async function compared(sides: OpenFlowSides, steps: readonly Step[], question: Message): Promise<Sides<string[]>> {
  await sides.reset()
  await sides.removals()
  const ours: string[] = []
  const theirs: string[] = []
  const note = (what: string, answer: Sides<Answer>) => {
    ours.push(what, ...lines(answer.ours))
    theirs.push(what, ...lines(answer.theirs))
  }
  for (const [index, step] of steps.entries()) {
    const { what, answer } = await take(sides, step, index)
    note(what, answer)
    if (question === FLOWS) await sides.look()
    const gone = removalLines(await sides.removals(), 'pass' in step ? step.pass : 0)
    ours.push(...gone.ours)
    theirs.push(...gone.theirs)
    if (index % 4 === 3) note('kept', await sides.ask(bytesOf([question], 1000)))
  }
  note('kept at last', await sides.ask(bytesOf([question], 1000)))
  // Of what goes now Open vSwitch would otherwise tell in the next case.
  note('all gone', await sides.ask(bytesOf([DELETE_ALL], 2000)))
  const gone = removalLines(await sides.removals(), 0)
  ours.push(...gone.ours)
  theirs.push(...gone.theirs)
  return { ours, theirs }
}

const NOTHING: Sides<Answer> = { ours: { messages: [], copies: [] }, theirs: { messages: [], copies: [] } }

async function take(sides: OpenFlowSides, step: Step, index: number) {
  if ('ask' in step)
    return { what: step.ask.map(described).join(), answer: await sides.ask(bytesOf(step.ask, 100 + index)) }
  if ('frame' in step)
    return { what: `in at ${step.port}: ${hex(step.frame)}`, answer: await sides.receive(step.frame, step.port) }
  await sides.pass(step.pass)
  return { what: `${step.pass} ms`, answer: NOTHING }
}

const bytesOf = (messages: readonly Message[], xid: number) =>
  messages.flatMap((message, index) => encodeOpenFlow({ xid: xid + index, message }))

const described = (message: Message) =>
  message.type === 'flowMod' ? `${message.command} ${printFlow(message)}` : text(message)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const lines = ({ messages, copies }: Answer): string[] => [...messages.flatMap(answerLines).sort(), ...byPort(copies)]

function answerLines(bytes: Uint8Array): string[] {
  const decoded = bytes[1] === ERROR ? undefined : decodeOpenFlow(bytes).message
  return decoded?.type === 'flowStatisticsReply' ? decoded.flows.map(flowLine) : [told(bytes)]
}

const ERROR = 1

const flowLine = (flow: FlowStatistics): string =>
  `${printFlow(flow)} age=${flow.duration} n=${flow.packets}/${flow.bytes} ${text(flow.flags)}`

// ---- flows that are gone -----------------------------------------------------------------------------------------

const removed = (bytes: Uint8Array): MessageOf<'flowRemoved'> => {
  const { message } = decodeOpenFlow(bytes)
  if (message.type !== 'flowRemoved') throw new Error(message.type)
  return message
}

/** In the order of what they say of the flow, then of its age. */
const inOrder = (messages: readonly Uint8Array[]) =>
  messages
    .map(removed)
    .map((message) => ({ ...message, line: removalLine(message.flow) }))
    .sort((a, b) => a.line.localeCompare(b.line) || Number(a.flow.duration - b.flow.duration))

const removalLine = (flow: FlowStatistics): string =>
  `gone: ${printFlow({ ...flow, flags: {}, instructions: NO_INSTRUCTIONS })} n=${flow.packets}/${flow.bytes}`

const NO_INSTRUCTIONS = { apply: [], clear: false, write: [] }
/** The cookie of all that is learned. */
const LEARNED = /cookie=0xb,/
type Removal = ReturnType<typeof inOrder>[number]

/**
 * A flow whose time is up goes at once from ours, and from Open vSwitch when it looks for such: within the step that has passed.
 * Where by then it is both idle and old, it goes for its age; and where the flow that had it learned is gone as well, perhaps for that.
 */
function removalLines({ ours, theirs }: Sides<readonly Uint8Array[]>, step: number): Sides<string[]> {
  const exact = inOrder(ours)
  const late = inOrder(theirs).map((removal, index) => {
    const twin = exact[index]
    return twin !== undefined && isLater(removal, twin, BigInt(step) * BigInt(MILLISECOND)) ? twin : removal
  })
  const lineOf = ({ line, reason, flow }: Removal) => `${line} ${reason} at ${flow.duration}`
  return { ours: exact.map(lineOf), theirs: late.map(lineOf) }
}

function isLater(removal: Removal, exact: Removal, step: bigint): boolean {
  const lateness = removal.flow.duration - exact.flow.duration
  const isOldToo = removal.reason === 'hard_timeout' && exact.reason === 'idle_timeout' && lateness > 0n
  const isGoneWithOther = removal.reason === 'delete' && LEARNED.test(removal.line) && lateness > 0n
  const isSame = removal.reason === exact.reason || isOldToo || isGoneWithOther
  return removal.line === exact.line && isSame && lateness >= 0n && lateness <= step
}
