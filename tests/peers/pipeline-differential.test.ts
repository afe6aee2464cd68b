// The same bytes of OpenFlow 1.3 and the same frames for a real Open vSwitch and for ours: the same messages are refused, and for
// the same reason; the same frames leave, the same packet-ins come up, and the same
// flows, groups and tables have met them.
// Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/pipeline-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Message } from '../../protocols/control/messages.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import { STATE_QUESTIONS, keptLines, metBy } from './support/kept-state.ts'
import type { Answer, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides, isDeath, told, text } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'
import { PORTS } from './support/switch-cases.ts'
import type { WireCase } from './support/wire-cases.ts'
import { ALL_KINDS, KNOWN_THERE, wireCase } from './support/wire-cases.ts'

const SEEDS = seeds(600)

const count = { cases: 0, died: 0, messages: 0, refused: 0, frames: 0, copies: 0, packetIns: 0 }
const met = { fields: new Set<string>(), actions: new Set<string>() }

describe.runIf(ovsInstalled())('pipelines beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(PORTS.length)
  })
  afterAll(async () => {
    await sides.stop()
    console.log(JSON.stringify(count), `${met.fields.size} fields, ${met.actions.size} actions`)
  })

  test.each(SEEDS)('every action does what it does there (seed %i)', async (seed) => {
    const { ours, theirs, asked } = await unlessItDies(() => answers(sides, wireCase(seeded(seed))))
    expect(ours, asked).toEqual(theirs)
  })

  test.runIf(SEEDS.length >= ENOUGH)('every field is matched, and every action done to a frame', () => {
    const missing = (all: readonly string[], some: ReadonlySet<string>) => all.filter((one) => !some.has(one))
    const fields = KNOWN_THERE.map(({ name }) => name).filter((name) => !IN_OTHER_REGISTERS.test(name))
    expect(missing(fields, met.fields)).toEqual([])
    expect(missing(ALL_KINDS, met.actions)).toEqual([...IN_OTHER_WORDS])
  })

  test('Open vSwitch seldom dies of what it is asked', () => {
    expect(count.died).toBeLessThanOrEqual(count.cases / 50)
  })

  /** Some cases are too much for Open vSwitch: an assertion ends it. */
  async function unlessItDies(ask: () => Promise<Compared>): Promise<Compared> {
    try {
      await sides.reset()
      return await ask()
    } catch (error) {
      if (!isDeath(error)) throw error
      count.died++
      await sides.restart()
      return { ours: [], theirs: [], asked: '' }
    }
  }
})

/** Matches name the registers of 32 bits that these are made of. */
const IN_OTHER_REGISTERS = /^x+reg/

/** So many cases have to meet everything: 411 do from the first seed on, of others it may take more. */
const ENOUGH = SEEDS[0] === 1 ? 600 : 2000

/** What OpenFlow 1.3 says by set_field; and a clause, which no frame meets alone. */
const IN_OTHER_WORDS = ['set_vlan_vid', 'set_vlan_pcp', 'set_tunnel', 'conjunction']

interface Compared {
  ours: string[]
  theirs: string[]
  asked: string
}

async function answers(sides: OpenFlowSides, { messages, changes, frames, counted }: WireCase): Promise<Compared> {
  const ours: string[] = []
  const theirs: string[] = []
  const note = (what: string, answer: Sides<Answer>) => {
    ours.push(what, ...inFull(answer.ours))
    theirs.push(what, ...inFull(answer.theirs))
  }
  const before = await sides.ask(encodeOpenFlow({ xid: 99, message: { type: 'tableStatisticsRequest' } }))
  const tell = async (what: string, asked: readonly Message[], firstXid: number) => {
    const answer = await sides.ask(
      asked.flatMap((message, index) => encodeOpenFlow({ xid: firstXid + index, message })),
    )
    note(what, answer)
    count.messages += asked.length
    count.refused += answer.theirs.messages.length
  }
  await tell('set up', messages, 100)
  for (const [index, frame] of frames.entries()) {
    if (index === frames.length / 2) await tell('changed', changes, 200)
    const answer = await sides.receive(frame.bytes, frame.port)
    note(`in at ${frame.port}: ${Buffer.from(frame.bytes).toString('hex')}`, answer)
    count.copies += answer.theirs.copies.length
    count.packetIns += answer.theirs.messages.length
  }
  const questions = STATE_QUESTIONS.flatMap((message, index) => encodeOpenFlow({ xid: 1000 + index, message }))
  const kept = await sides.ask(questions)
  ours.push(...keptLines(kept.ours.messages, { before: before.ours.messages, counted }))
  theirs.push(...keptLines(kept.theirs.messages, { before: before.theirs.messages, counted }))
  const { fields, actions } = metBy(kept.ours.messages)
  for (const field of fields) met.fields.add(field)
  for (const action of actions) met.actions.add(action)
  count.cases++
  count.frames += frames.length
  const asked = [...messages.map(described(100)), ...changes.map(described(200))].join('\n')
  return { ours, theirs, asked }
}

const inFull = ({ messages, copies }: Answer): string[] => [...messages.map(told), ...copies]

const described = (firstXid: number) => (message: Message, index: number) =>
  `${firstXid + index}: ${message.type === 'flowMod' ? `${message.command}${printFlow(message)}` : text(message)}`
