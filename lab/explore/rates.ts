// Whether vNICs keep to their rates, seen from outside: of what a limited vNIC has said, or was let hear, no more than rate x time and
// one burst came through in any interval, wherever the VM was meanwhile. A guest that has stood still hears at once what its ports let
// out meanwhile, so that counts as of when they did.

import { MILLISECOND, SECOND, type Nanoseconds } from '../../runtime/clock.ts'
import { defaultBurst } from '../../topologies/defaults.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'
import type { LabObserver } from '../lab.ts'

/** What came through: when it was said or let out, and how many bits it has. */
export interface Passage {
  at: Nanoseconds
  bits: number
}

interface Limit {
  nic: string
  direction: 'ingress' | 'egress'
  /** Bits a second. */
  rate: number
  /** Bits. */
  burst: number
  passed: Passage[]
}

/** What a guest says is counted as of when it says so; on the way to whoever limits it, some take longer than others. */
const SLACK = { ingress: 3 * MILLISECOND, egress: 0 }

const BILLIONTHS = BigInt(SECOND)

export class Rates implements LabObserver {
  readonly #limits: Limit[]
  readonly #ingress: ReadonlyMap<string, Limit>
  readonly #egress: ReadonlyMap<string, Limit>
  /** By frame: when it was sent, and the limit of its sender that has not counted it yet. */
  readonly #sent = new Map<number, { at: Nanoseconds; limit: Limit | undefined }>()

  constructor(topology: Topology) {
    this.#limits = topology.vms.flatMap(({ nics }) => nics.flatMap(limitsOf))
    const by = (direction: Limit['direction']) =>
      new Map(this.#limits.filter((one) => one.direction === direction).map((one) => [one.nic, one]))
    this.#ingress = by('ingress')
    this.#egress = by('egress')
  }

  sent(at: Nanoseconds, nic: string, id: number): void {
    if (this.#limits.length > 0) this.#sent.set(id, { at, limit: this.#ingress.get(nic) })
  }

  letOut(at: Nanoseconds, nic: string, id: number, bytes: Uint8Array): void {
    if (this.#sent.has(id)) this.#egress.get(nic)?.passed.push({ at, bits: bytes.length * 8 })
  }

  heard(_at: Nanoseconds, _nic: string, id: number, bytes: Uint8Array): void {
    const sent = this.#sent.get(id)
    // Several may hear one frame.
    sent?.limit?.passed.push({ at: sent.at, bits: bytes.length * 8 })
    if (sent !== undefined) sent.limit = undefined
  }

  /** What has gone beyond its limit; undefined where nothing has. */
  excess(): string | undefined {
    for (const { nic, direction, rate, burst, passed } of this.#limits) {
      // One by one: a long stream's frames are more than a call takes arguments.
      const most = passed.reduce((largest, { bits }) => Math.max(largest, bits), 0)
      const slack = Math.ceil((rate * SLACK[direction]) / SECOND)
      const excess = bitsBeyond(passed, rate, burst + most + slack)
      if (excess === 0) continue
      const what = direction === 'ingress' ? 'said' : 'been let hear'
      return `${nic} has ${what} ${excess} bits more than ${rate} bits a second and a burst of ${burst} allow`
    }
    return undefined
  }
}

/**
 * How many bits more, at most, than a bucket lets through that is full at first; rounded up. Counted in whole billionths of a bit: who
 * shapes rounds nothing and leaves nothing over, so that what is rounded here reads as a bit too many. Not counted by the switches' own
 * bucket, which is what is looked at.
 */
export function bitsBeyond(passed: readonly Passage[], rate: number, burst: number): number {
  const [perNanosecond, full] = [BigInt(rate), BigInt(burst) * BILLIONTHS]
  let [level, least, last] = [full, 0n, 0]
  for (const { at, bits } of passed.toSorted((a, b) => a.at - b.at)) {
    level += perNanosecond * BigInt(at - last)
    if (level > full) level = full
    level -= BigInt(bits) * BILLIONTHS
    last = at
    if (level < least) least = level
  }
  return Number((BILLIONTHS - 1n - least) / BILLIONTHS)
}

function limitsOf({ id, policy }: Nic): Limit[] {
  const { ingressRate, ingressBurst, egressRate, egressBurst } = policy
  return [...limit(id, 'ingress', ingressRate, ingressBurst), ...limit(id, 'egress', egressRate, egressBurst)]
}

function limit(
  nic: string,
  direction: Limit['direction'],
  rate: number | undefined,
  burst: number | undefined,
): Limit[] {
  if (rate === undefined) return []
  return [{ nic, direction, rate, burst: burst ?? defaultBurst(rate), passed: [] }]
}
