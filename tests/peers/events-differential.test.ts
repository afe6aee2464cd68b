// Two controllers of a real Open vSwitch and of ours: what each hears of ports, packets and flows without asking, in the order
// of hearing. Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/events-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  AsyncConfig,
  FlowStatistics,
  FlowUpdate,
  Message,
  MessageOf,
  PortDescription,
} from '../../protocols/control/messages.ts'
import { ALL_TABLES, REMOVAL_REASONS } from '../../protocols/control/messages.ts'
import { parseFlowMod } from '../../protocols/flow-text/parse.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { seeded } from '../../runtime/random.ts'
import type { Random } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import type { Step, Who } from './support/event-cases.ts'
import { PORTS, WITH_LINKS, evictionCase, hearingCase, monitorCase, portCase } from './support/event-cases.ts'
import type { Controller, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides, byPort, text, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

const SEEDS = seeds(12)

const CASES: readonly (readonly [string, (random: Random) => Step[]])[] = [
  ['of ports', portCase],
  ['of what each chose to hear', hearingCase],
  ['of flows that they watch', monitorCase],
  ['of flows for which there is no room', evictionCase],
]

describe.runIf(ovsInstalled())('what two controllers hear beside Open vSwitch', () => {
  let run: Run
  beforeAll(async () => {
    run = new Run(await OpenFlowSides.start(PORTS.length))
  })
  afterAll(async () => {
    await run.sides.stop()
    console.log(JSON.stringify(Object.fromEntries(run.heard)))
  })

  for (const [what, draw] of CASES)
    test.each(SEEDS)(`${what} (seed %i)`, async (seed) => {
      const { ours, theirs } = await run.compared(draw(seeded(seed)))
      expect(ours, theirs.join('\n')).toEqual(theirs)
    })

  test.runIf(SEEDS.length >= ENOUGH)('everything was heard of that there is to hear', () => {
    expect(KINDS.filter((kind) => !run.heard.has(kind))).toEqual([])
  })
})

/** So many cases of each kind have to bring up everything. */
const ENOUGH = 30

const KINDS = ['packetIn', 'portStatus', 'flowRemoved', 'flowMonitorReply', 'roleStatus', 'error']

const STATE: readonly Message[] = [
  { type: 'featuresRequest' },
  { type: 'portDescriptionRequest' },
  {
    type: 'flowStatisticsRequest',
    filter: { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n },
  },
]
const OF_REMOVALS: AsyncConfig = { packetIn: [], portStatus: [], flowRemoved: [...REMOVAL_REASONS] }
const ALL_REMOVALS: Message = { type: 'setAsyncConfig', primary: OF_REMOVALS, secondary: OF_REMOVALS }
const PORTS_ONLY = STATE.slice(0, 2)

/** Hardware addresses of ports, by number. */
type Addresses = Map<number, bigint>

type HeardBy = [string[], string[]]

class Run {
  readonly sides: OpenFlowSides
  /** How many messages of each kind were heard. */
  readonly heard = new Map<string, number>()
  #controllers: readonly [Controller, Controller] | undefined
  /** Another, that hears of all flows that are gone: Open vSwitch tells of them in a while, to who wants to hear of them then. */
  #witness: Controller | undefined
  #addresses: Sides<Addresses> = { ours: new Map(), theirs: new Map() }
  /** Open vSwitch remembers the last generation of a primary for as long as it runs. */
  #generation = 0n
  #left: LeftOut = { newPort: undefined, turned: undefined, counts: false }
  #added = new Set<number>()
  /** Ports that are switched off or have no link. */
  #dark = new Set<number>()
  #lines: Sides<string[]> = { ours: [], theirs: [] }
  #heardNow: Sides<HeardBy> = { ours: [[], []], theirs: [[], []] }
  #xid = 100

  constructor(sides: OpenFlowSides) {
    this.sides = sides
  }

  async compared(steps: readonly Step[]): Promise<Sides<string[]>> {
    await this.#begin()
    const counts = steps.some((step) => step.kind === 'flags' && step.flags.noReceive === true)
    try {
      for (const step of steps) {
        this.#left = { newPort: step.kind === 'add' ? step.port : undefined, turned: turnedBy(step), counts }
        this.#note(described(step))
        await this.#take(step)
        await this.#listen()
        this.#write(step.kind === 'pass')
      }
      await this.#ask(0, STATE)
      this.#write()
      return this.#lines
    } finally {
      this.#lines = { ours: [], theirs: [] }
      await this.#undo(steps)
    }
  }

  async #begin(): Promise<void> {
    await this.sides.reset()
    await this.sides.removals()
    const askEach: Controller['askEach'] = async (messages) => {
      const { ours, theirs } = await this.sides.askEach(messages)
      this.#noteCopies(ours.copies, theirs.copies)
      return { ours: ours.messages, theirs: theirs.messages }
    }
    const first: Controller = {
      ask: (messages) => askEach({ ours: messages, theirs: messages }),
      askEach,
      removals: () => this.sides.removals(),
    }
    this.#controllers = [first, await this.sides.join()]
    this.#witness = await this.sides.join()
    await this.#witness.ask(encodeOpenFlow({ xid: 1, message: ALL_REMOVALS }))
    this.#lines = { ours: [], theirs: [] }
    this.#heardNow = { ours: [[], []], theirs: [[], []] }
    this.#generation++
    await this.#ask(0, [{ type: 'roleRequest', role: 'primary', generationId: this.#generation }])
    await this.#ask(0, [{ type: 'roleRequest', role: 'equal', generationId: this.#generation }])
    await this.#ask(0, PORTS_ONLY)
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'ask':
        return this.#ask(step.who, [this.#timely(step.message)])
      case 'flags':
        await this.#flags(step)
        // Open vSwitch looks at its ports before it answers anybody.
        await this.#listen()
        return this.#ask(step.who, PORTS_ONLY)
      case 'link':
        await this.sides.moveLink(step.port, step.up)
        return this.#ask(0, PORTS_ONLY)
      case 'add':
        this.#added.add(step.port)
        await this.sides.addPort(step.port)
        return this.#ask(1, PORTS_ONLY)
      case 'remove':
        this.#added.delete(step.port)
        await this.sides.removePort(step.port)
        return this.#ask(1, PORTS_ONLY)
      case 'limit':
        return this.sides.limitTable(step.table, step.flows)
      case 'frame': {
        const { ours, theirs } = await this.sides.receive(step.bytes, step.port)
        this.#noteCopies(ours.copies, theirs.copies)
        return this.#hear(0, { ours: ours.messages, theirs: theirs.messages })
      }
      case 'pass':
        return this.sides.pass(step.time)
    }
  }

  #timely(message: Message): Message {
    return message.type === 'roleRequest' ? { ...message, generationId: this.#generation } : message
  }

  /** The message names the address of the port, which each makes for itself. */
  async #flags({ who, port, flags }: Extract<Step, { kind: 'flags' }>): Promise<void> {
    const bytesFor = (addresses: Addresses) =>
      encodeOpenFlow({ xid: this.#xid, message: { type: 'portFlagsMod', port, mac: addresses.get(port) ?? 0n, flags } })
    this.#xid++
    const { ours, theirs } = this.#addresses
    this.#hear(who, await this.#of(who).askEach({ ours: bytesFor(ours), theirs: bytesFor(theirs) }))
  }

  async #ask(who: Who, messages: readonly Message[]): Promise<void> {
    const bytes = messages.flatMap((message) => encodeOpenFlow({ xid: this.#xid++, message }))
    this.#hear(who, await this.#of(who).ask(bytes))
  }

  /** What has come to either since it was last asked. */
  async #listen(): Promise<void> {
    await this.#witness?.removals()
    // Open vSwitch says what it has to say a little later than it answers.
    for (const who of [0, 1, 0, 1] as const) {
      this.#hear(who, await this.#of(who).ask([]))
      const { ours, theirs } = await this.#of(who).removals()
      this.#hear(who, { ours: sorted(ours), theirs: sorted(theirs) })
    }
  }

  #of(who: Who): Controller {
    if (this.#controllers === undefined) throw new Error('nobody is there yet')
    return this.#controllers[who]
  }

  #hear(who: Who, { ours, theirs }: Sides<readonly Uint8Array[]>): void {
    for (const bytes of theirs) this.#count(bytes)
    noteAddresses(ours, this.#addresses.ours)
    noteAddresses(theirs, this.#addresses.theirs)
    this.#noteDark(theirs)
    this.#heardNow.ours[who].push(...linesOf(ours, this.#left).map((line) => `${who} hears ${line}`))
    this.#heardNow.theirs[who].push(...linesOf(theirs, this.#left).map((line) => `${who} hears ${line}`))
  }

  /** Which of two controllers hears first is nobody's promise, and which of the flows goes first that end together. */
  #write(inAnyOrder = false): void {
    for (const side of ['ours', 'theirs'] as const) {
      const heard = this.#heardNow[side].flat()
      this.#lines[side].push(...(inAnyOrder ? heard.sort() : heard))
      this.#heardNow[side] = [[], []]
    }
  }

  #count(bytes: Uint8Array): void {
    const type = bytes[1] === ERROR ? 'error' : decodeOpenFlow(bytes).message.type
    this.heard.set(type, (this.heard.get(type) ?? 0) + 1)
  }

  #note(line: string): void {
    this.#lines.ours.push(line)
    this.#lines.theirs.push(line)
  }

  #noteDark(messages: readonly Uint8Array[]): void {
    for (const { number, linkUp, flags } of messages.flatMap(portsIn))
      if (linkUp && flags.down !== true) this.#dark.delete(number)
      else this.#dark.add(number)
  }

  /** The devices of Open vSwitch's own tests write down even what a port sends that is switched off. */
  #noteCopies(ours: readonly string[], theirs: readonly string[]): void {
    const leaves = (copy: string) => !this.#dark.has(Number.parseInt(copy))
    this.#lines.ours.push(...byPort(ours))
    this.#lines.theirs.push(...byPort(theirs.filter(leaves)))
  }

  /** Ports and tables of Open vSwitch outlive a case. */
  async #undo(steps: readonly Step[]): Promise<void> {
    for (const port of this.#added) await this.sides.removePort(port)
    this.#added.clear()
    this.#dark.clear()
    for (const port of new Set(steps.flatMap((step) => (step.kind === 'link' ? [step.port] : []))))
      await this.sides.setLink(port, true)
    for (const step of steps) if (step.kind === 'limit') await this.sides.limitTable(step.table, undefined)
    await this.#endFlows()
    const switched = new Set(steps.flatMap((step) => (step.kind === 'flags' ? [step.port] : [])))
    await this.sides.reset()
    for (const port of switched)
      if (PORTS.includes(port)) await this.#flags({ kind: 'flags', who: 0, port, flags: ALLOWED })
  }

  /** All of it is to be over before the next case. */
  async #endFlows(): Promise<void> {
    const deletion = encodeOpenFlow({ xid: this.#xid++, message: parseFlowMod('', { command: 'delete' }) })
    await (await this.sides.join()).ask(deletion)
    await this.#witness?.removals()
  }
}

const ALLOWED = { down: false, noReceive: false, noForward: false, noPacketIn: false, noFlood: false }

const ERROR = 1
const MULTIPART_REPLY = 19

const described = (step: Step): string => {
  const { kind } = step
  if (kind === 'ask' && step.message.type === 'flowMod')
    return `${step.who}: ${step.message.command} ${printFlow(step.message)}`
  return text(step)
}

// ---- as text -----------------------------------------------------------------------------------------------------

const sorted = (messages: readonly Uint8Array[]) =>
  messages.toSorted((a, b) => removalKey(a).localeCompare(removalKey(b)))
const removalKey = (bytes: Uint8Array) => lineOf(decodeOpenFlow(bytes).message)

/** What the two do not have alike (docs/openflow.md). */
interface LeftOut {
  /** Of a port that comes, Open vSwitch tells again at once, as changed. */
  newPort: number | undefined
  /** Of one that goes down or comes up, it tells in two messages: the last has it all. */
  turned: { port: number; up: boolean } | undefined
  /** It counts what a port does not receive for the flow that would have been met. */
  counts: boolean
}

function turnedBy(step: Step): LeftOut['turned'] {
  if (step.kind === 'link') return step
  if (step.kind !== 'flags' || step.flags.down === undefined) return undefined
  return { port: step.port, up: !step.flags.down }
}

function linesOf(messages: readonly Uint8Array[], left: LeftOut): string[] {
  /** Of a reply that is not whole yet. */
  const flows: string[] = []
  return messages.flatMap((bytes) => {
    if (bytes[1] === ERROR) return [told(bytes)]
    const { message } = decodeOpenFlow(bytes)
    if (message.type === 'flowStatisticsReply') {
      flows.push(...message.flows.map((flow) => flowLine(flow, left)))
      return message.more ? [] : flows.splice(0).toSorted()
    }
    return message.type === 'portStatus' && isLeftOut(message, left) ? [] : printed(bytes, message)
  })
}

const isLeftOut = ({ reason, port }: MessageOf<'portStatus'>, { newPort, turned }: LeftOut): boolean =>
  reason === 'modify' &&
  (port.number === newPort || (turned !== undefined && port.number === turned.port && port.linkUp !== turned.up))

function noteAddresses(messages: readonly Uint8Array[], addresses: Addresses): void {
  for (const { number, mac } of messages.flatMap(portsIn)) addresses.set(number, mac)
}

function portsIn(bytes: Uint8Array): readonly PortDescription[] {
  const message = bytes[1] === MULTIPART_REPLY ? decodeOpenFlow(bytes).message : undefined
  return message?.type === 'portDescriptionReply' ? message.ports : []
}

const flowLine = (flow: FlowStatistics, left: LeftOut) =>
  `flow ${printFlow(flow)} ${left.counts ? '' : countsOf(flow)} ${text(flow.flags)}`

function printed(bytes: Uint8Array, message: Message): string[] {
  switch (message.type) {
    case 'packetIn':
      return [told(bytes)]
    case 'portDescriptionReply':
      return message.ports.map(portLine).toSorted()
    case 'flowMonitorReply':
      return toldThere(message.updates).map(updateLine).toSorted()
    default:
      return [lineOf(message)]
  }
}

const countsOf = ({ packets, bytes }: FlowStatistics) => `n=${packets}/${bytes}`

function lineOf(message: Message): string {
  switch (message.type) {
    case 'portStatus':
      return `port ${message.reason}: ${portLine(message.port)}`
    case 'flowRemoved':
      return `gone for ${message.reason}: ${printFlow({ ...message.flow, flags: {}, instructions: NO_INSTRUCTIONS })} ${countsOf(message.flow)}`
    case 'featuresReply':
      return text({ ...message, datapathId: 0n })
    default:
      return text(message)
  }
}

const NO_INSTRUCTIONS = { apply: [], clear: false, write: [] }

/** Without the name and the address, which each gives its own. */
const portLine = ({ number, linkUp, flags: { down, ...flags } }: PortDescription): string =>
  `${number} ${linkUp ? 'up' : 'down'} ${text(WITH_LINKS.has(number) ? flags : { down, ...flags })}`

/** Of a flow that another has made room for, Open vSwitch tells nothing (docs/openflow.md). */
const toldThere = (updates: FlowUpdate[]): FlowUpdate[] =>
  updates.some((update) => update.type === 'full' && update.reason === 'eviction')
    ? updates.filter((update) => update.type !== 'full' || update.event === 'deleted')
    : updates

const updateLine = (update: FlowUpdate): string =>
  update.type === 'full'
    ? `${update.event} ${update.reason ?? ''} ${printFlow(update.flow)} ${text(update.flow.flags)}`
    : text(update)
