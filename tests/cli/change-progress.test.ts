import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ChangeProgress } from '../../cli/change-progress.ts'
import type { ApiClient } from '../../cli/client.ts'
import type { ChangeStatus } from '../../controller/model.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const change: ChangeStatus = {
  number: 7,
  plan: 'ours',
  name: 'x',
  state: 'running',
  step: 1,
  steps: 1,
  stage: 'take in',
  confirmed: 0,
  switches: 8,
}

/** A change that switches take their time for, and what was written of it. */
function slowly(isTTY: boolean) {
  const written: string[] = []
  const stream = { isTTY, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream
  let now: ChangeStatus = change
  let end: (value: string) => void = () => {}
  const client = { json: async () => [now] } as unknown as ApiClient
  const done = new ChangeProgress(client, stream, true, 'ours').during(
    new Promise<string>((resolve) => (end = resolve)),
  )
  const become = async (next: Partial<ChangeStatus>) => {
    now = { ...now, ...next }
    await vi.advanceTimersByTimeAsync(1000)
  }
  return { written, become, end: () => end('done'), done }
}

const NEWS: Partial<ChangeStatus>[] = [{}, {}, { confirmed: 5 }, { stage: 'switch over', steps: 2, confirmed: 1 }]
const LINES = [
  'take in: 0 of 8 switches have confirmed',
  'take in: 5 of 8 switches have confirmed',
  'step 1 of 2, switch over: 1 of 8 switches have confirmed',
]

test('each news is a line of its own, once; on a terminal one line is rewritten, and nothing is left of it', async () => {
  for (const isTTY of [false, true]) {
    const { written, become, end, done } = slowly(isTTY)
    for (const news of NEWS) await become(news)
    end()
    expect(await done).toBe('done')
    expect(written).toEqual(
      isTTY ? [...LINES, ''].map((line) => `\r${line}\u001B[K`) : LINES.map((line) => `${line}\n`),
    )
    await vi.advanceTimersByTimeAsync(1000)
    expect(written).toHaveLength(isTTY ? 4 : 3)
  }
})

test.each([
  ['nobody has a change under way', { state: 'done' }],
  ['somebody else has', { plan: 'theirs' }],
] as const)('who interrupts it while %s hears that it may not have begun', async (_, other) => {
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  const { written, become, end, done } = slowly(false)
  await become(other)
  process.emit('SIGINT')
  expect(exit).toHaveBeenCalledWith(130)
  expect(written).toEqual([expect.stringMatching(/may not have begun.*apply --plan/)])
  end()
  await done
})

test('who interrupts it once it has begun hears that it goes on', async () => {
  const others = process.listenerCount('SIGINT')
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  const { written, become, end, done } = slowly(false)
  await become({ confirmed: 3 })
  process.emit('SIGINT')
  expect(exit).toHaveBeenCalledWith(130)
  expect(written.at(-1)).toMatch(
    /^signalbox: the change is made without this command.*3 of 8 switches.*signalbox status/,
  )
  end()
  await done
  expect(process.listenerCount('SIGINT')).toBe(others)
})
