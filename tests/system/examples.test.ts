// The examples that are shipped, from file to verdict: recorded traffic through the whole of controller and network.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import type { FrameCounts, Verdict } from '../../lab/verdict.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'
import { runCli, runHere } from '../support/run-cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'topologies/examples')
const LEAK = 'leak-on-purpose.json'
const MIGRATION = 'migration-under-load.json'
const examples = readdirSync(folder).filter((name) => name.endsWith('.json'))
const sound = examples.filter((name) => name !== LEAK)
/** Too much to be played again and again. */
const LARGE = 'evacuation.json'

async function play(name: string, seed?: number): Promise<Verdict> {
  const scenario = await loadScenarioOrTopology(join(folder, name))
  return (await replay(scenario, seed === undefined ? {} : { seed })).verdict
}

const played = new Map<string, Promise<Verdict>>()

/** The verdict of an example, which is played once for all tests that ask for it. */
function verdictOf(name: string): Promise<Verdict> {
  const before = played.get(name) ?? play(name)
  played.set(name, before)
  return before
}

const ended = (frames: FrameCounts) =>
  frames.delivered + frames.answered + frames.held + frames.lost + frames.unmapped + sum(Object.values(frames.dropped))
const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)

describe.each(sound)('%s', (name) => {
  test('passes: nothing leaked, lost, doubled, out of order or without a vNIC', async () => {
    const verdict = await verdictOf(name)
    expect(verdict.problems).toEqual([])
    expect(verdict.leaks).toEqual([])
    expect(verdict.losses).toEqual([])
    expect(verdict.expectations.filter(({ held }) => !held)).toEqual([])
    expect(verdict.frames).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, leaked: 0, unmapped: 0, unmarked: 0 })
    expect(verdict.frames.injected).toBeGreaterThan(300)
    expect(verdict.verdict).toBe('pass')
  })
})

describe.each(examples)('%s, as every example,', (name) => {
  test('accounts for each frame exactly once', async () => {
    const { frames, made } = await verdictOf(name)
    expect(ended(frames)).toBe(frames.injected)
    expect(ended(made)).toBe(made.injected)
  })

  test.skipIf(name === LARGE)('gives the same digest for the same seed, and the same verdict for another', async () => {
    const [first, again, other] = [await verdictOf(name), await play(name), await play(name, 99)]
    expect(again).toEqual(first)
    expect(other.digest).not.toBe(first.digest)
    expect(other.verdict).toBe(first.verdict)
  })
})

describe('the migration under load', () => {
  test('moves the server under its stream with nothing lost, doubled or misdelivered, and its policy with it', async () => {
    const { migrations } = await verdictOf(MIGRATION)
    expect(migrations).toHaveLength(1)
    expect(migrations[0]).toMatchObject({
      vm: 'server1',
      from: 'h1',
      to: 'h3',
      lost: 0,
      duplicated: 0,
      misdelivered: 0,
      policy: 'identical',
    })
    expect(migrations[0]!.held).toBeGreaterThan(0)
  })

  test('has the same digest in a process of its own', async () => {
    const { digest } = await verdictOf(MIGRATION)
    const { stdout } = await runCli('replay', '--json', join(folder, MIGRATION))
    expect((JSON.parse(stdout) as Verdict).digest).toBe(digest)
  })
})

describe('the leak on purpose', () => {
  test('fails, and names the frame, both vNICs, the path and the rule', async () => {
    const { verdict, frames, leaks } = await verdictOf(LEAK)
    expect(verdict).toBe('fail')
    expect(frames.leaked).toBeGreaterThan(0)
    expect(leaks[0]).toMatchObject({
      from: 'web1:eth0',
      to: 'db2:eth0',
      fromNetwork: 'blue',
      toNetwork: 'green',
      path: ['h1/br-int', 'tor1', 'h2/br-int'],
    })
    expect(leaks[0]!.frame).toBeGreaterThan(0)
    expect(leaks[0]!.rule).toContain('dl_dst=02:00:00:00:0a:02')
  })

  test('leaks whatever the rule copies and nothing else', async () => {
    const { leaks } = await verdictOf(LEAK)
    expect(new Set(leaks.map(({ to }) => to))).toEqual(new Set(['db2:eth0']))
  })

  test('says so to people, and exits with 1', async () => {
    const { stdout, code } = await runHere('replay', join(folder, LEAK))
    expect(code).toBe(1)
    for (const part of ['web1:eth0', 'db2:eth0', 'h2/br-int', 'dl_dst=02:00:00:00:0a:02'])
      expect(stdout).toContain(part)
  })
})
