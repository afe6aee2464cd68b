import { describe, expect, test } from 'vitest'
import { matchesFilter } from '../../../controller/user-flows.ts'
import type { FlowFilter, FlowSpec } from '../../../protocols/control/messages.ts'
import { parseFlow, parseFlowFilter } from '../../../protocols/flow-text/parse.ts'
import { type Random, seeded } from '../../../runtime/random.ts'
import type { JournalEntry } from '../../../runtime/store.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { pick } from '../../support/random-matches.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'
import { seeds } from '../../support/seeds.ts'

/** A switch refuses what has it. */
const BAD = 0xbadn
const NAMES = ['h1/br-int', 'h2/br-int']

type Write =
  | { kind: 'add'; flows: { switch: string; flow: FlowSpec }[] }
  | { kind: 'delete'; switch: string; filter: FlowFilter; strict?: FlowSpec }
  | { kind: 'apply'; name: string }

/** A write that somebody has asked for; `answer` is what they were told, as long as they were. */
interface Asked {
  write: Write
  answer?: { ok: true; deleted?: number } | { ok: false; why: string }
}

function randomWrite(random: Random, serial: number): Write {
  const name = pick(random, NAMES)
  const kind = random.below(10)
  if (kind === 0) return { kind: 'apply', name: `topology-${serial}` }
  if (kind === 1) return { kind: 'delete', switch: name, filter: parseFlowFilter(pick(random, ['udp', 'tcp', ''])) }
  if (kind < 4) {
    const strict = parseFlow(`table=0,priority=100,udp,tp_dst=${random.below(8)},actions=drop`)
    return { kind: 'delete', switch: name, filter: { ...parseFlowFilter(''), table: 0 }, strict }
  }
  const cookie = random.below(5) === 0 ? BAD : BigInt(serial + 0x10000)
  const check = random.below(12) === 0 ? 'check_overlap,' : ''
  const flow = () =>
    parseFlow(
      `${check}table=0,priority=100,cookie=${cookie},${pick(random, ['udp', 'tcp'])},tp_dst=${random.below(8)},actions=drop`,
    )
  const flows = Array.from({ length: 1 + random.below(2) }, () => ({ switch: pick(random, NAMES), flow: flow() }))
  return { kind: 'add', flows }
}

function ask({ controller }: RestartingFleet, write: Write, by: string): Promise<number | void> {
  switch (write.kind) {
    case 'add':
      return controller.addFlows(write.flows, by)
    case 'delete':
      return controller.deleteFlows(write.switch, write.filter, write.strict, by)
    case 'apply':
      return controller.apply({ ...threeHosts(), name: write.name }, by)
  }
}

/** Writes carried out one after the other, by the shortest way. */
class OneByOne {
  /** Cookies by switch, protocol and port. */
  readonly flows = new Map<string, Map<string, FlowSpec>>(NAMES.map((name) => [name, new Map()]))
  topology = 'three-hosts'

  carryOut(write: Write): number {
    if (write.kind === 'apply') this.topology = write.name
    else if (write.kind === 'delete') return this.#delete(write)
    else for (const one of write.flows) this.flows.get(one.switch)!.set(nameOf(one.flow), one.flow)
    return 0
  }

  #delete({ switch: name, filter, strict }: Write & { kind: 'delete' }): number {
    const own = this.flows.get(name)!
    const doomed = [...own].filter(([key, flow]) => (strict ? key === nameOf(strict) : matchesFilter(flow, filter)))
    for (const [key] of doomed) own.delete(key)
    return doomed.length
  }

  contents() {
    return { topology: this.topology, flows: NAMES.map((name) => summary(this.flows.get(name)!.values())) }
  }
}

const nameOf = ({ match }: FlowSpec) => match.map(({ field, value }) => `${field}=${value}`).join()
const summary = (flows: Iterable<FlowSpec>) =>
  [...flows].map((flow) => `${nameOf(flow)} ${flow.cookie}`).sort((a, b) => (a < b ? -1 : 1))

const isUsers = ({ cookie }: FlowSpec) => cookie === BAD || (cookie >= 0x10000n && cookie < 0x20000n)

function contentsOf({ controller, switches }: RestartingFleet) {
  const wanted = NAMES.map((name) => {
    const own = controller.userFlows().filter((one) => one.switch === name)
    return summary(own.map(({ flow }) => flow))
  })
  const there = NAMES.map((name) => summary([...switches.get(name)!.flows.values()].filter(isUsers)))
  return { wanted: { topology: controller.topology.name, flows: wanted }, there }
}

const journalOf = async ({ state }: RestartingFleet): Promise<JournalEntry[]> =>
  (await state.journal({ limit: 10_000 })).reverse()

/** The law: what there is, is what the writes that went well come to, one after the other in the order of the journal. */
async function checkSerial(fleet: RestartingFleet, asked: ReadonlyMap<string, Asked>, what: unknown): Promise<number> {
  const journal = (await journalOf(fleet)).filter(({ by }) => asked.has(by))
  const model = new OneByOne()
  let refused = 0
  const entered = new Set<string>()
  for (const { by, result } of journal) {
    const { write, answer } = asked.get(by)!
    entered.add(by)
    const isBad = write.kind === 'add' && write.flows.some(({ flow }) => flow.cookie === BAD)
    const isGone = result?.includes('not connected') ?? false
    expect({ what, by, ok: result === 'ok' }).toEqual({ what, by, ok: !isBad && !isGone })
    const deleted = result === 'ok' ? model.carryOut(write) : undefined
    if (result !== 'ok') refused++
    const told = answer ?? { ok: result === 'ok' }
    const count = write.kind === 'delete' && answer?.ok === true ? answer.deleted : deleted
    expect({ what, by, told: told.ok, count }).toEqual({ what, by, told: result === 'ok', count: deleted })
  }
  // Nothing that was answered is missing.
  for (const [by, { answer }] of asked)
    expect({ what, by, kept: answer === undefined || entered.has(by) }).toEqual({ what, by, kept: true })
  const { wanted, there } = contentsOf(fleet)
  expect({ what, ...wanted }).toEqual({ what, ...model.contents() })
  expect({ what, there }).toEqual({ what, there: model.contents().flows })
  expect(fleet.controller.switches().filter(({ inSync }) => !inSync)).toEqual([])
  return refused
}

async function started(): Promise<RestartingFleet> {
  const fleet = await RestartingFleet.start(threeHosts())
  for (const device of fleet.switches.values())
    device.refuses = (change) => change.type === 'flowMod' && change.command === 'add' && change.cookie === BAD
  return fleet
}

/** Asks for so many writes at once; resolves when all are answered. */
async function askAll(
  fleet: RestartingFleet,
  asked: Map<string, Asked>,
  { random, count }: { random: Random; count: number },
): Promise<void> {
  const answers = Array.from({ length: count }, async () => {
    const by = `writer-${asked.size}`
    const one: Asked = { write: randomWrite(random, asked.size) }
    asked.set(by, one)
    try {
      const deleted = await ask(fleet, one.write, by)
      one.answer = { ok: true, ...(typeof deleted === 'number' && { deleted }) }
    } catch (error) {
      one.answer = { ok: false, why: String(error) }
    }
  })
  await Promise.all(answers)
}

describe('writes that come at once', () => {
  test.each(seeds(3))('come to what they would one after the other (seed %i)', async (seed) => {
    const random = seeded(seed)
    const fleet = await started()
    const asked = new Map<string, Asked>()
    let refused = 0
    for (let round = 0; round < 6; round++) {
      await fleet.settle(askAll(fleet, asked, { random, count: 10 + random.below(40) }))
      refused = await checkSerial(fleet, asked, { seed, round })
    }
    expect(refused).toBeGreaterThan(5)
    // They share transactions: far fewer than there were writes.
    expect(fleet.store.written).toBeLessThan(asked.size)
  })

  test.each(seeds(3))('do so when the process is killed, or a switch goes, in the middle (seed %i)', async (seed) => {
    const random = seeded(seed)
    const fleet = await started()
    const asked = new Map<string, Asked>()
    let unanswered = 0
    for (let round = 0; round < 12; round++) {
      const how = random.below(3)
      const device = fleet.switches.get(pick(random, NAMES))!
      const killed = new Promise<void>((resolve) => {
        fleet.onKilled = resolve
      })
      let messages = random.below(60)
      if (how === 0)
        fleet.store.killAt = { batch: fleet.store.written + 1 + random.below(4), after: random.below(2) === 0 }
      else if (how === 1) device.hangUpAt = device.received + 1 + messages
      else device.onReceived = () => void (messages-- === 0 && fleet.kill())
      await fleet.settle(Promise.race([askAll(fleet, asked, { random, count: 24 }), killed]))
      device.onReceived = () => {}
      device.hangUpAt = Infinity
      unanswered += [...asked.values()].filter(({ answer }) => answer === undefined).length
      if (how === 1 && !fleet.store.killed) device.dial(fleet.controller)
      else await fleet.restart()
      await fleet.settled()
      // Results may be written later.
      await fleet.clock.run(fleet.clock.now() + 2_000_000_000)
      await checkSerial(fleet, asked, { seed, round, how })
    }
    expect(unanswered).toBeGreaterThan(10)
  })

  test('are kept in one transaction and sent in one bundle, one of them refused or not', async () => {
    const fleet = await started()
    const device = fleet.switches.get('h1/br-int')!
    const add = (port: number, cookie: bigint) =>
      fleet.controller.addFlows([
        { switch: 'h1', flow: { ...parseFlow(`table=0,udp,tp_dst=${port},actions=drop`), cookie } },
      ])
    const before = { written: fleet.store.written, bundles: device.history.length }
    const all = Array.from({ length: 64 }, (_, port) => add(port, 1n))
    await fleet.settle(Promise.all(all))
    expect({ written: fleet.store.written - before.written, bundles: device.history.length - before.bundles }).toEqual({
      written: 1,
      bundles: 1,
    })
    device.history = []
    const mixed = Array.from({ length: 64 }, (_, port) => add(port + 100, port === 40 ? BAD : 1n))
    const results = await fleet.settle(Promise.allSettled(mixed))
    expect(results.flatMap(({ status }, port) => (status === 'rejected' ? [port] : []))).toEqual([40])
    // One bundle for each halving, and no more.
    expect(device.history.length).toBeLessThanOrEqual(7)
  })
})
