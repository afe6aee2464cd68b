import { describe, expect, test } from 'vitest'
import { FrameScheduler } from '../../datapath/scheduling/frame-scheduler.ts'
import type { QueueConfig } from '../../protocols/control/messages.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import { expectEqual } from '../support/expect-equal.ts'

const BILLION = 1_000_000_000n
const big = (value: number) => BigInt(value)
const least = (a: bigint, b: bigint) => (a < b ? a : b)

/** The slow twin of a bucket: a level in billionths of a bit, in whole numbers of any size. */
class ExactBucket {
  level: bigint
  #at = 0n
  readonly #rate: bigint
  readonly #full: bigint

  constructor(rate: number, burst: number, units = burst) {
    this.#rate = big(rate)
    this.#full = big(burst) * BILLION
    this.level = big(units) * BILLION
  }

  isReady(now: bigint): boolean {
    this.level = least(this.level + (now - this.#at) * this.#rate, this.#full)
    this.#at = now
    return this.level >= 0n
  }

  spend(bits: bigint): void {
    this.level -= bits * BILLION
  }
}

interface ExactQueue {
  config: QueueConfig
  group: QueueConfig
  frames: { frame: number; bits: bigint }[]
}

/** The slow twin of the scheduler: its rules one by one, on numbers of any size. */
class ExactScheduler {
  readonly queues: ExactQueue[]
  readonly #max: ExactBucket | undefined
  readonly #buckets = new Map<string, ExactBucket>()
  /** How far everybody has come in each kind of share: `excess`, `group`, `own` and, among parts, `part`. */
  readonly #at = new Map<string, bigint>()
  readonly #configs: QueueConfig[]

  constructor(configs: QueueConfig[], maxRate: number | undefined, burst: number) {
    this.#configs = [{ queue: 0 }, ...configs]
    this.#max = maxRate === undefined ? undefined : new ExactBucket(maxRate, burst)
    const named = (number: number) => this.#configs.find(({ queue }) => queue === number)!
    this.queues = this.#configs.map((config) => ({ config, group: named(config.parent ?? config.queue), frames: [] }))
    for (const { queue, minRate, maxRate: most, burst: own = 0 } of this.#configs) {
      const credit = Math.max(24_288, Math.ceil((minRate ?? 0) / 100))
      if (most !== undefined) this.#buckets.set(`max ${queue}`, new ExactBucket(most, own))
      if (minRate !== undefined) this.#buckets.set(`min ${queue}`, new ExactBucket(minRate, credit, 0))
    }
  }

  enqueue(number: number, frame: number, bits: number): void {
    const queue = this.queues.find(({ config }) => config.queue === number)!
    if (queue.frames.length === 0) {
      this.#join('own', queue.config.queue)
      this.#join(`part ${queue.group.queue}`, queue.config.queue)
      if (this.queues.every(({ group, frames }) => group !== queue.group || frames.length === 0))
        for (const kind of ['group', 'excess']) this.#join(kind, queue.group.queue)
    }
    queue.frames.push({ frame, bits: big(bits) })
  }

  dequeue(now: bigint): number {
    if (this.#max?.isReady(now) === false) return -1
    const candidates = this.queues.filter(({ config, group, frames }) => {
      const free = (number: number) => this.#buckets.get(`max ${number}`)?.isReady(now) !== false
      return frames.length > 0 && free(config.queue) && free(group.queue)
    })
    if (candidates.length === 0) return -1
    const rights = new Map(candidates.map((queue) => [queue, this.#rightOf(queue, now)]))
    let best = candidates[0]!
    for (const one of candidates) if (this.#compare(one, best, rights.get(one)!, rights.get(best)!) < 0) best = one
    return this.#serve(best, rights.get(best)!, now)
  }

  #isParent(number: number): boolean {
    return this.#configs.some(({ parent }) => parent === number)
  }

  #rightOf({ config, group }: ExactQueue, now: bigint): number {
    const isReady = (number: number) => this.#buckets.get(`min ${number}`)?.isReady(now) === true
    const own = !this.#isParent(config.queue) && isReady(config.queue)
    if (own) return 0
    return this.#isParent(group.queue) && isReady(group.queue) ? 1 : 2
  }

  #compare(a: ExactQueue, b: ExactQueue, rightOfA: number, rightOfB: number): number {
    const by = (kind: string, one: QueueConfig, other: QueueConfig) =>
      Number(this.#of(kind, one.queue) - this.#of(kind, other.queue))
    if (rightOfA !== rightOfB) return rightOfA - rightOfB
    const priority = (a.group.priority ?? 0) - (b.group.priority ?? 0)
    const ofParts = this.#partPriority(a) - this.#partPriority(b)
    if (rightOfA === 0) return priority || ofParts || by('own', a.config, b.config)
    if (a.group !== b.group)
      return (
        priority || by(rightOfA === 1 ? 'group' : 'excess', a.group, b.group) || this.#firstOf(a) - this.#firstOf(b)
      )
    return ofParts || by(`part ${a.group.queue}`, a.config, b.config)
  }

  /** Of wholes that are equal, the one that is named first goes first. */
  #firstOf({ group: { queue: whole } }: ExactQueue): number {
    return this.#configs.findIndex(({ queue, parent }) => queue === whole || parent === whole)
  }

  /** A parent's own frames have none among its parts. */
  #partPriority({ config }: ExactQueue): number {
    return config.parent === undefined ? 0 : (config.priority ?? 0)
  }

  #serve({ config, group, frames }: ExactQueue, right: number, now: bigint): number {
    const { frame, bits } = frames.shift()!
    this.#max?.spend(bits)
    for (const queue of new Set([config.queue, group.queue])) this.#buckets.get(`max ${queue}`)?.spend(bits)
    if (right === 0) {
      this.#buckets.get(`min ${config.queue}`)!.spend(bits)
      this.#move('own', config, bits)
    } else this.#move(`part ${group.queue}`, config, bits)
    if (right === 1) this.#move('group', group, bits)
    if (right === 2) this.#move('excess', group, bits)
    else if (this.#isParent(group.queue)) this.#payOfGroup(group.queue, bits, now)
    return frame
  }

  /** In whole bits no deeper in debt than for this frame, where it was no deeper before. */
  #payOfGroup(number: number, bits: bigint, now: bigint): void {
    const bucket = this.#buckets.get(`min ${number}`)
    if (bucket === undefined) return
    bucket.isReady(now)
    const parts = ((bucket.level % BILLION) + BILLION) % BILLION
    const floor = least(bucket.level - parts, -bits * BILLION) + parts
    bucket.spend(bits)
    if (bucket.level < floor) bucket.level = floor
  }

  #of(kind: string, number: number): bigint {
    return this.#at.get(`${kind}: ${number}`) ?? 0n
  }

  #join(kind: string, number: number): void {
    const last = this.#at.get(kind) ?? 0n
    if (this.#of(kind, number) < last) this.#at.set(`${kind}: ${number}`, last)
  }

  #move(kind: string, config: QueueConfig, bits: bigint): void {
    const at = this.#of(kind, config.queue) + bits * this.#priceOf(kind, config)
    this.#at.set(`${kind}: ${config.queue}`, at)
    this.#at.set(kind, at)
  }

  /** 1024 for the heaviest, rounded; weights of parts and of wholes are each among their like. */
  #priceOf(kind: string, config: QueueConfig): bigint {
    const isPart = kind.startsWith('part')
    const whole = Number(kind.split(' ')[1])
    const sharers = this.#configs.filter(({ queue, parent }) => {
      if (isPart) return parent === whole || queue === whole
      return kind === 'own' || parent === undefined
    })
    const isSaid = sharers.some((one) => weightIn(one, isPart) !== undefined)
    const weightOf = (one: QueueConfig): number => {
      if (kind === 'own') return this.#isParent(one.queue) ? 1 : (one.minRate ?? 1)
      if (kind === 'group') return one.minRate ?? 1
      return weightIn(one, isPart) ?? (isSaid ? 1 : ((isPart && this.#isParent(one.queue) ? 1 : one.minRate) ?? 1))
    }
    const [heaviest, weight] = [big(Math.max(...sharers.map(weightOf))), big(weightOf(config))]
    return least((2n * 1024n * heaviest + weight) / (2n * weight), 1n << 30n)
  }
}

/** As one of the parts of its parent, a whole has no weight. */
const weightIn = ({ weight, parent }: QueueConfig, isPart: boolean) =>
  isPart && parent === undefined ? undefined : weight

const chance = (random: Random, of: number) => random.fraction() < of

function randomQueues(random: Random, rate: number): QueueConfig[] {
  const isWeighted = chance(random, 0.5)
  const one = (queue: number, parent?: number): QueueConfig => {
    const maxRate = 1 + Math.floor(rate * random.fraction())
    return {
      queue,
      ...(parent !== undefined && { parent }),
      ...(chance(random, 0.4) && { minRate: 1 + Math.floor((rate / 5) * random.fraction()) }),
      ...(chance(random, 0.4) && { maxRate: Math.max(maxRate, Math.ceil(rate / 5)), burst: random.below(40_000) }),
      ...(isWeighted && chance(random, 0.8) && { weight: 1 + random.below(10) }),
      ...(chance(random, 0.4) && { priority: random.below(3) }),
    }
  }
  return [
    one(1),
    one(2),
    ...(chance(random, 0.7) ? [one(3, 1), one(4, 1)] : []),
    ...(chance(random, 0.5) ? [one(5, 2)] : []),
  ]
}

test.each(seeds(20))('the exact twin sends the same (seed %i)', (seed) => {
  const random = seeded(seed)
  const rate = 1000 + Math.floor(10 ** (3 + random.fraction() * 7))
  // Many that are alike, most of them without a frame at any time.
  const alike = Array.from({ length: seed % 3 === 0 ? 40 : 0 }, (_, index) => ({ queue: 100 + index }))
  const queues = [...randomQueues(random, rate), ...alike]
  const burst = random.below(2) * random.below(50_000)
  const maxRate = chance(random, 0.8) ? rate : undefined
  const scheduler = new FrameScheduler({ queues, maxRate, burst }, 0)
  const twin = new ExactScheduler(queues, maxRate, burst)
  const numbers = [0, ...queues.map(({ queue }) => queue)]
  const spanOfFrame = (800 * 8 * SECOND) / rate
  let arrives = 0
  const lengths: number[] = []
  let waitingBits = 0
  const same = (at: number, found: number, wanted: number) =>
    expectEqual({ at, found, queues, maxRate, burst }, { at, found: wanted, queues, maxRate, burst })
  for (let now = 0, frame = 0; frame < 400 || scheduler.waiting > 0;) {
    while (frame < 400 && arrives <= now) {
      const number = numbers[random.below(numbers.length)]!
      const bits = 8 * (60 + random.below(1450))
      scheduler.enqueue(frame, bits, 0, number, -1)
      twin.enqueue(number, frame++, bits)
      lengths.push(bits)
      waitingBits += bits
      arrives += Math.floor(random.fraction() * 2 * spanOfFrame)
    }
    for (;;) {
      const sent = scheduler.dequeue(now)
      same(now, sent, twin.dequeue(BigInt(now)))
      if (sent === -1) break
      waitingBits -= lengths[sent]!
    }
    same(now, scheduler.waitingBits, waitingBits)
    const turn = scheduler.nextTurn(now)
    const isNext = turn !== Infinity && (frame === 400 || turn <= arrives)
    // Not a nanosecond too late.
    same(turn - 1, isNext ? twin.dequeue(BigInt(turn - 1)) : -1, -1)
    now = Math.min(turn, frame < 400 ? arrives : Infinity)
  }
})

/** What is sent while all queues have more than they can send. */
function saturated(queues: QueueConfig[], maxRate: number, seed: number): Map<number, number> {
  const random = seeded(seed)
  const scheduler = new FrameScheduler({ queues, maxRate }, 0)
  const lengths: number[] = []
  const queueOf: number[] = []
  const fill = (number: number) => {
    lengths.push(8 * (60 + random.below(1450)))
    scheduler.enqueue(lengths.length - 1, lengths.at(-1)!, 0, number, -1)
    queueOf.push(number)
  }
  for (const { queue } of queues) for (let more = 0; more < 3; more++) fill(queue)
  const bits = new Map<number, number>(queues.map(({ queue }) => [queue, 0]))
  for (let now = 0; now <= SECOND; now = scheduler.nextTurn(now)) {
    for (let frame = scheduler.dequeue(now); frame !== -1; frame = scheduler.dequeue(now)) {
      const number = queueOf[frame]!
      bits.set(number, bits.get(number)! + lengths[frame]!)
      fill(number)
    }
  }
  return bits
}

describe.each([1, 2, 3])('under saturation for a second (seed %i)', (seed) => {
  const RATE = 20_000_000
  /** With less, what a queue may have while another's frame is on the wire is lost to it. */
  const FRAME = 12_144
  /** Within three in a hundred. */
  const isAbout = (value: number | undefined, share: number) => Math.abs(value! / (RATE * share) - 1) < 0.03

  test('the rate is kept to one in a hundred, and shared by weight', () => {
    const bits = saturated(
      [1, 2, 5].map((weight, index) => ({ queue: index + 1, weight })),
      RATE,
      seed,
    )
    const all = [...bits.values()].reduce((sum, one) => sum + one, 0)
    expect(all / RATE).toBeGreaterThan(0.99)
    expect(all / RATE).toBeLessThan(1.01)
    for (const [queue, weight] of [
      [1, 1],
      [2, 2],
      [3, 5],
    ] as const)
      expect(isAbout(bits.get(queue), weight / 8)).toBe(true)
  })

  test('the lowest priority number has it all, but for the minima of others', () => {
    const bits = saturated(
      [
        { queue: 1, priority: 0 },
        { queue: 2, priority: 1, minRate: RATE / 10 },
        { queue: 3, priority: 2, minRate: RATE / 5 },
      ],
      RATE,
      seed,
    )
    expect(isAbout(bits.get(1), 0.7)).toBe(true)
    expect(isAbout(bits.get(2), 0.1)).toBe(true)
    expect(isAbout(bits.get(3), 0.2)).toBe(true)
  })

  test('what a queue may not have goes to the others', () => {
    const bits = saturated(
      [
        { queue: 1, weight: 1, maxRate: RATE / 10, burst: FRAME },
        { queue: 2, weight: 1 },
      ],
      RATE,
      seed,
    )
    expect(isAbout(bits.get(1), 0.1)).toBe(true)
    expect(isAbout(bits.get(2), 0.9)).toBe(true)
  })

  test('parts have their minima of what the whole has, and the whole its own limit', () => {
    const bits = saturated(
      [
        { queue: 1, weight: 1, maxRate: RATE / 2, burst: FRAME },
        { queue: 2, weight: 1 },
        { queue: 10, parent: 1, weight: 1, minRate: RATE / 4 },
        { queue: 11, parent: 1, weight: 1 },
      ],
      RATE,
      seed,
    )
    expect(isAbout(bits.get(2), 0.5)).toBe(true)
    // A quarter guaranteed, and a third of the other quarter: the whole has frames of its own.
    expect(isAbout(bits.get(10), 0.25 + 0.25 / 3)).toBe(true)
    expect(isAbout(bits.get(11), 0.25 / 3)).toBe(true)
  })
})

test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
  'parts of one that has a limit are empty when it is said, however full the others are kept (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const hasMinima = random.below(2) === 0
    const part = (queue: number) => ({
      queue,
      parent: 1,
      limit: 3,
      weight: 1 + random.below(4),
      ...(hasMinima && { minRate: 500_000 * (1 + random.below(4)) }),
    })
    const parent = { queue: 1, weight: 20, maxRate: 1_000_000 * (5 + random.below(20)), burst: random.below(50_000) }
    const queues = [parent, part(2), part(3), { queue: 4, limit: 3 }]
    const scheduler = new FrameScheduler({ queues, maxRate: 100_000_000 }, 0)
    const FRAMES = 100
    const enqueue = (frame: number, queue: number) => scheduler.enqueue(frame, 10_000, 1, queue, -1)
    const fillOthers = () => {
      for (const queue of [3, 4]) while (scheduler.admits(queue, -1)) enqueue(FRAMES, queue)
    }
    for (let frame = 0; frame < FRAMES; frame++) enqueue(frame, 2)
    fillOthers()
    const promised = scheduler.timeToEmpty(0)
    let last = 0
    for (let now = 0, left = FRAMES; left > 0; now = scheduler.nextTurn(now)) {
      for (let frame = scheduler.dequeue(now); frame !== -1; frame = scheduler.dequeue(now)) {
        if (frame < FRAMES) left--
        fillOthers()
      }
      last = now
    }
    expect(last).toBeLessThanOrEqual(promised)
  },
)

test('a queue that goes leaves its frames to queue 0, in order; one that stays keeps its level', () => {
  const scheduler = new FrameScheduler({ queues: [{ queue: 1, maxRate: 1000 }, { queue: 2 }], maxRate: 1000 }, 0)
  for (const [frame, queue] of [
    [1, 1],
    [2, 2],
    [3, 1],
    [4, 2],
  ] as const)
    scheduler.enqueue(frame, 1000, 0, queue, -1)
  expect(scheduler.dequeue(0)).toBe(1)
  scheduler.configure({ queues: [{ queue: 1, maxRate: 1000 }], maxRate: 1000 }, 0)
  expect(scheduler.nextTurn(0)).toBe(SECOND)
  const sent = [1, 2, 3].map((second) => scheduler.dequeue(second * SECOND))
  expect([...sent].sort((a, b) => a - b)).toEqual([2, 3, 4])
  expect(sent.indexOf(2)).toBeLessThan(sent.indexOf(4))
})
