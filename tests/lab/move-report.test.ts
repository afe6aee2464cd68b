// What the verdict says of a move: its steps, its frames, its budget.

import { describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { textReport } from '../../lab/report/text.ts'
import { junitReport } from '../../lab/report/junit.ts'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadScenario } from '../../topologies/load.ts'
import { createColors } from 'picocolors'

const nic = (serial: number) => ({
  name: 'eth0',
  network: 'blue',
  mac: `02:00:00:00:00:0${serial}`,
  addresses: [`10.0.0.${serial}`],
})

const scenario = (migrate: object, rate: number, count: number) => ({
  topology: {
    version: 1,
    name: 'moving',
    hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
    networks: [{ name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.0.0/24' }] }],
    vms: [
      { name: 'mover', host: 'h1', nics: [nic(1)] },
      { name: 'sender', host: 'h2', nics: [nic(2)] },
    ],
  },
  timeline: [
    { at: '0s', send: { from: 'sender', frame: 'udp,nw_dst=10.0.0.1,tp_dst=9', count, rate } },
    { at: '50ms', migrate: { vm: 'mover', to: 'h3', ...migrate } },
  ],
})

async function run(migrate: object, rate = 10_000, count = 2_000) {
  const folder = await mkdtemp(join(tmpdir(), 'move-'))
  try {
    const path = join(folder, 'moving.json')
    await writeFile(path, JSON.stringify(scenario(migrate, rate, count)))
    return (await replay(await loadScenario(path), {})).verdict
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('a move', () => {
  test('tells how long it was in each step, what it held, and that it left nothing', async () => {
    const verdict = await run({ pause: '30ms' })
    const [move] = verdict.migrations
    expect(move).toMatchObject({ state: 'done', lost: 0, duplicated: 0, reordered: 0, misdelivered: 0, leftBehind: [] })
    expect(Object.keys(move!.steps)).toEqual(['prepare', 'switch-over', 'commit'])
    expect(move!.held).toBeGreaterThan(250)
    expect(verdict.verdict).toBe('pass')
    expect(textReport(verdict, createColors(false))).toMatch(
      /0 redirected, 0 lost.*\(prepare .*, switch-over 3.*ms, commit/,
    )
  })

  test('within its budget passes', async () => {
    const budget = { blackout: '50ms', lost: 0, duplicated: 0, reordered: 0, misdelivered: 0, redirected: 0 }
    expect(await run({ pause: '30ms', budget })).toMatchObject({ verdict: 'pass', migrations: [{ overBudget: [] }] })
  })

  test('beyond its budget fails, with a sentence', async () => {
    const verdict = await run({ pause: '30ms', budget: { blackout: '20ms', held: 10, lost: 0 } })
    expect(verdict.verdict).toBe('fail')
    const [move] = verdict.migrations
    expect(move!.overBudget).toEqual([
      expect.stringMatching(/^its blackout was 3.*ms, and its budget is 20ms$/),
      expect.stringMatching(/^\d+ frames were held, and its budget is 10$/),
    ])
    expect(textReport(verdict, createColors(false))).toContain('its budget is 20ms')
    expect(junitReport(verdict)).toContain('its budget is 20ms')
  })
})

describe('what is held', () => {
  test('is bounded by bytes: what is more is dropped by name, and is lost', async () => {
    const { frames, migrations } = await run({ pause: '30ms', hold: { bytes: 6_400 } })
    // A short frame counts as 64 bytes.
    expect(migrations[0]!.held).toBeLessThanOrEqual(200)
    expect(frames.lost).toBeGreaterThan(100)
    expect(migrations[0]!.overflowed).toBe(frames.lost)
    expect(frames.reordered + frames.duplicated).toBe(0)
  })

  test('is bounded by time', async () => {
    const { frames, migrations } = await run({ pause: '100ms', hold: { time: '20ms' } })
    // Of some, both places had a copy.
    expect(migrations[0]!.overflowed).toBeGreaterThanOrEqual(frames.lost)
    expect(frames.lost).toBeGreaterThan(500)
    expect(frames.reordered + frames.duplicated).toBe(0)
  })
})

test('at a million frames a second none is lost, doubled or overtaken', async () => {
  const { frames, migrations } = await run({ pause: '10ms' }, 1_000_000, 80_000)
  expect(frames).toMatchObject({
    injected: 80_000,
    delivered: 80_000,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    dropped: {},
  })
  expect(migrations[0]!.held).toBeGreaterThan(10_000)
  // While frames go on coming.
  expect(migrations[0]!.blackout).toMatch(/^1\d(\.\d)?ms$/)
})
