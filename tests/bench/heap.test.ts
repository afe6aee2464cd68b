import { describe, expect, test } from 'vitest'
import { FedSwitch } from '../../bench/fast-path/fed-switch.ts'
import { heapTaken } from '../../bench/fast-path/findings.ts'
import { PIPELINES } from '../../bench/fast-path/pipelines.ts'
import { collect } from '../support/heap.ts'

/** For the caches, and for the compiler. */
const WARM_VECTORS = 1500
const FRAMES = 100_000
/** Bytes a frame: the smallest object takes 16. */
const NOTHING = 2
/** The compiler may still be at it. */
const TRIES = 8

const settled = PIPELINES.filter(({ traffic }) => traffic.tuples <= 1000)

describe('frames that the cache knows make no garbage', () => {
  test.each(settled.map((pipeline) => [pipeline.name, pipeline] as const))('%s', (_name, pipeline) => {
    const fed = new FedSwitch(pipeline)
    fed.feed(WARM_VECTORS)
    let least = Infinity
    for (let time = 0; time < TRIES && least >= NOTHING; time++)
      least = Math.min(least, heapTaken(fed, FRAMES, collect))
    expect(least).toBeLessThan(NOTHING)
  })

  test('what does is found out', () => {
    const fed = new FedSwitch(settled[0]!)
    fed.feed(WARM_VECTORS)
    const { bridge } = fed
    const kept: object[] = []
    const leave = bridge.arena.releaseAll.bind(bridge.arena)
    bridge.arena.releaseAll = (frames, start, end) => {
      for (let index = start; index < end; index++) kept[index & 15] = { frame: frames[index] }
      leave(frames, start, end)
    }
    expect(heapTaken(fed, FRAMES, collect)).toBeGreaterThan(NOTHING)
  })
})
