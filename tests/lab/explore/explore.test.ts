import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { drawSchedule } from '../../../lab/explore/draw.ts'
import { explore, profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule, type Outcome } from '../../../lab/explore/run.ts'
import type { Perturbation, Schedule } from '../../../lab/explore/schedule.ts'
import { shrink } from '../../../lab/explore/shrink.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { readTrace } from '../../../lab/explore/trace-file.ts'
import { loadScenarioOrTopology } from '../../../topologies/load.ts'
import type { FailureTarget, Step } from '../../../topologies/scenario.ts'
import { topologyToJson } from '../../../topologies/write.ts'
import { movingListener } from '../../support/explored-scenarios.ts'
import { isShown, OBVIOUS_FAULTS } from '../../support/planted-faults.ts'
import { rejectedSpeakers } from '../../support/rejected-speakers.ts'
import { runHere } from '../../support/run-cli.ts'

const SEEDS = [1, 2, 3, 4]
/** Of the events of a move, one in so many is tried; STRIDE=1 tries all. */
const STRIDE = Number(process.env['STRIDE'] ?? 5)

test.each(['vlan', 'vxlan'] as const)('a guest moves under any schedule, and nothing breaks (%s)', async (type) => {
  const found = await explore(await Subject.read(movingListener({ type })), { first: 1, seeds: SEEDS.length })
  expect(found).toMatchObject({ schedules: 1 + SEEDS.length, broken: [], shortest: undefined })
})

test('who is refused is told so under any schedule', async () => {
  const found = await explore(await Subject.read(rejectedSpeakers('vlan')), { first: 3, seeds: 3 })
  expect(found).toMatchObject({ schedules: 1 + 3, broken: [], shortest: undefined })
})

test('a seed always gives the same run', async () => {
  const run = async (seed: number): Promise<Outcome> => {
    const subject = await Subject.read(movingListener())
    const { profile } = await profileOf(subject)
    return runSchedule(subject, drawSchedule(seed, profile), { keep: true })
  }
  const digests = new Set<string>()
  const seeds = SEEDS.slice(0, 2)
  for (const seed of seeds) {
    const outcome = await run(seed)
    expect(await run(seed)).toEqual(outcome)
    expect(outcome.happenings.length).toBeGreaterThan(50)
    digests.add(outcome.digest)
  }
  expect(digests.size).toBe(seeds.length)
})

test.each(OBVIOUS_FAULTS)('$what: it is found, by $breaks', async (fault) => {
  expect(await isShown(fault, 1)).toBe(true)
})

test('the destination may be cut off at any moment of a move: what it was told is done, what it says is lost', async () => {
  const subject = await Subject.read(movingListener())
  const { profile } = await profileOf(subject)
  const { start, all } = profile.events
  const noticed = { switch: 5000, controller: 140_000 }
  for (let event = start; event < all; event += STRIDE) {
    const at = { event }
    const cut: Perturbation = { kind: 'cut', at, switch: 'h3/br-int', down: 1, up: 0, noticed, away: 18_000_000 }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [cut] })
    expect({ event, broken, begun }).toEqual({ event, broken: undefined, begun: [cut] })
  }
})

test('guests of a host that has failed begin anew elsewhere, each at one place', async () => {
  const target: FailureTarget = { kind: 'host', host: 'h1' }
  const steps: { at: number; step: Step }[] = [
    { at: 70_000_000, step: { type: 'fail', target } },
    { at: 80_000_000, step: { type: 'failover', host: 'h1' } },
    { at: 120_000_000, step: { type: 'heal', target } },
  ]
  const found = await explore(await Subject.read(movingListener({ steps })), { first: 1, seeds: 2 })
  expect(found).toMatchObject({ broken: [], shortest: undefined })
})

test('what waits for the uplink of a host is lost with its power', async () => {
  const subject = await Subject.read(await loadScenarioOrTopology('topologies/examples/shared-uplink.json'))
  const power: Perturbation = { kind: 'power', at: { time: 55_160_999 }, host: 'h1', away: 1_568_426 }
  expect((await runSchedule(subject, { seed: 1, perturbations: [power] })).broken).toBeUndefined()
})

test('connections are forgotten with the switches that knew them', async () => {
  const subject = await Subject.read(await loadScenarioOrTopology('topologies/examples/stateful-web-tier.json'))
  const restart: Perturbation = { kind: 'restart', at: { event: 106 }, host: 'h3', away: 1_721_828 }
  expect((await runSchedule(subject, { seed: 1, perturbations: [restart] })).broken).toBeUndefined()
})

test('another controller may take over at any moment of a move, and the one before go on for a while', async () => {
  const subject = await Subject.read(movingListener())
  const { profile } = await profileOf(subject)
  const { start, all } = profile.events
  for (let event = start; event < all; event += STRIDE) {
    const takeover: Perturbation = {
      kind: 'takeover',
      at: { event },
      frozen: (event - start) % (2 * STRIDE) === 0 ? 0 : 300_000,
    }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [takeover] })
    expect({ event, broken, begun }).toEqual({ event, broken: undefined, begun: [takeover] })
  }
})

describe('a schedule that breaks something', () => {
  const kill = (event: number): Perturbation => ({ kind: 'kill', at: { event }, share: 1, away: 10 })
  const perturbations = [1, 2, 3, 4, 5, 6].map(kill)
  const breaking = (wanted: number[]) => async (schedule: Schedule) => {
    const events = schedule.perturbations.map((one) => ('at' in one && 'event' in one.at ? one.at.event : 0))
    const isBroken = wanted.every((event) => events.includes(event))
    const broken = isBroken ? { invariant: 'no-loss', why: events.join() } : undefined
    return { broken, begun: schedule.perturbations.filter((one) => 'at' in one) } as unknown as Outcome
  }

  test.each([[[]], [[1]], [[2, 5]], [[1, 3, 6]], [[1, 2, 3, 4, 5, 6]]])(
    'is made as short as it can be: %j',
    async (wanted) => {
      const run = breaking(wanted)
      const schedule = { seed: 1, perturbations }
      const { schedule: shortest } = await shrink({ schedule, outcome: await run(schedule) }, run)
      expect(shortest.perturbations).toEqual(wanted.map(kill))
    },
  )

  test('can be written down, and read again', async () => {
    const scenario = movingListener()
    const { profile } = await profileOf(await Subject.read(scenario))
    const kinds = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      const schedule = drawSchedule(seed, profile)
      expect(readTrace(JSON.stringify({ schedule }), 'a.json', scenario)).toEqual(schedule)
      for (const { kind } of schedule.perturbations) kinds.add(kind)
    }
    expect(kinds.size).toBe(13)
  })

  const holding = (perturbation: object) => JSON.stringify({ schedule: { seed: 1, perturbations: [perturbation] } })
  const at = { event: 3 }

  test.each([
    [holding({ kind: 'constructor' }), '/0/kind: expected one of'],
    [
      holding({ kind: 'restart', at, host: 'h9', away: 1 }),
      '/0/host: expected a host of moving-listener: h1, h2, h3, not "h9"',
    ],
    [
      holding({ kind: 'split', at, switch: 'h1/br-ex', direction: 'up', share: 0, later: 1 }),
      '/0/switch: expected a switch of',
    ],
    [holding({ kind: 'link', at, endpoints: ['h1', 'h2'], away: 1 }), '/0/endpoints: expected the ends of a link of'],
    [holding({ kind: 'shift', step: 3, by: 1 }), '/0/step: expected a step of moving-listener, which has 3'],
    [holding({ kind: 'shift', step: 0.5, by: 1 }), '/0/step: expected a whole number'],
    [holding({ kind: 'abort', at: { event: 1.5 } }), '/0/at: expected'],
    ['{', 'a.json: '],
    ['{}', 'a.json /schedule: expected a schedule'],
    [
      '{"schedule": {"seed": 1, "perturbations": [{"kind": "boil"}]}}',
      'a.json /schedule/perturbations/0/kind: expected one of',
    ],
    [
      '{"schedule": {"seed": 1, "perturbations": [{"kind": "kill", "at": {"event": 3}, "share": 2, "away": 1}]}}',
      'a.json /schedule/perturbations/0/share: expected a share from 0 to 1',
    ],
  ])('is refused with the place where it is none: %s', (text, message) => {
    expect(() => readTrace(text, 'a.json', movingListener())).toThrow(message)
  })
})

describe('signalbox explore', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-explore-'))
  const file = join(folder, 'scenario.json')
  const { topology } = movingListener()
  writeFileSync(join(folder, 'topology.json'), JSON.stringify(topologyToJson(topology)))
  const write = (...more: object[]) => {
    const send = { from: 'far', frame: 'udp,dl_dst=02:00:00:00:00:01,tp_dst=7', count: 20, rate: 1000 }
    writeFileSync(file, JSON.stringify({ topology: 'topology.json', timeline: [...more, { at: '1ms', send }] }))
  }

  test('says that nothing was broken, and exits with 0', async () => {
    write({ at: '5ms', migrate: { vm: 'listener', to: 'h3', pause: '1ms' } })
    const { code, stdout } = await runHere('explore', file, '--seeds', '2', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'pass', schedules: 3, broken: [] })
    expect(code).toBe(0)
  })

  test('exits with 3 where no schedule was run, and with 2 where a trace is none', async () => {
    const none = await runHere('explore', file, '--seeds', '0')
    expect(none).toMatchObject({ code: 3, stdout: expect.stringContaining('nothing was checked') })
    expect(none.stdout).toContain('1 schedules, one of them without perturbations')
    expect(none.stdout).not.toContain('no invariant was broken')
    const { code, stderr } = await runHere('explore', file, '--trace', join(folder, 'topology.json'))
    expect([code, stderr]).toEqual([2, expect.stringContaining('/schedule: expected a schedule')])
  })

  test('exits with 130 where it was interrupted before an invariant was broken', async () => {
    write()
    const before = process.listenerCount('SIGINT')
    const interrupt = setInterval(() => {
      if (process.listenerCount('SIGINT') === before) return
      clearInterval(interrupt)
      process.emit('SIGINT')
    })
    const { code, stdout, stderr } = await runHere('explore', file, '--seeds', '1000', '--jobs', '1', '--json')
    expect([code, stderr]).toEqual([130, 'signalbox: interrupted; this is what was found so far\n'])
    expect((JSON.parse(stdout) as { schedules: number }).schedules).toBeLessThan(1000)
  })

  test('prints all that happens under one schedule, by seed or from a file', async () => {
    write()
    const bySeed = await runHere('explore', file, '--seed', '4', '--report', join(folder, 'run.json'))
    const fromFile = await runHere('explore', file, '--trace', join(folder, 'run.json'))
    expect(fromFile.stdout).toBe(bySeed.stdout)
    expect(bySeed.stdout).toContain('to h1/br-int: hello')
    expect(bySeed.stdout).toContain('no invariant was broken')
  })

  test('reports the shortest schedule that breaks something, and exits with 1', async () => {
    const stray = 'table=0,priority=9,dl_dst=02:00:00:00:00:01,actions=flood,output:"near:eth0"'
    write({ at: '0s', flow: { switch: 'h1', add: stray } })
    const trace = join(folder, 'trace.json')
    const { code, stdout } = await runHere('explore', file, '--seeds', '5', '--trace-out', trace)
    expect(code).toBe(1)
    expect(stdout).toContain('without perturbations')
    expect(JSON.parse(readFileSync(trace, 'utf8'))).toMatchObject({ schedule: { perturbations: [] } })
    expect((await runHere('explore', file, '--trace', trace, '--quiet')).code).toBe(1)
  })
})
