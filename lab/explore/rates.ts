// Whether vNICs keep to their rates, seen from outside: of what a limited vNIC has said, or was let hear, no more than rate x time and
// one burst came through in any interval, wherever the VM was meanwhile. A guest that has stood still hears at once what its ports let
// out meanwhile, so that counts as of when they did.

import { MILLISECOND, SECOND, type Nanoseconds } from '../../runtime/clock.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'
import type { LabObserver } from '../lab.ts'

interface Limit {
  nic: string
  direction: 'ingress' | 'egress'
  /** Bits a second. */
  rate: number
  /** Bits. */
  burst: number
  /** What came through: when it was said or let out, and how many bits it has. */
  passed: { at: Nanoseconds; bits: number }[]
}

/** What a guest says is counted as of when it says so; on the way to whoever limits it, some take longer than others. */
const SLACK = { ingress: 3 * MILLISECOND, egress: 0 }
/** The burst of a limit that names none: that of the compiler, and no less. */
const DEFAULT_BURST_SPAN = 10 * MILLISECOND
const LEAST_BURST = 12_144

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
      const most = Math.max(0, ...passed.map(({ bits }) => bits))
      const full = burst + most + (rate * SLACK[direction]) / SECOND
      let level = full
      let last = 0
      for (const { at, bits } of passed.sort((a, b) => a.at - b.at)) {
        level = Math.min(full, level + (rate * (at - last)) / SECOND) - bits
        last = at
        if (level >= 0) continue
        const what = direction === 'ingress' ? 'said' : 'been let hear'
        return `${nic} has ${what} ${Math.ceil(-level)} bits more than ${rate} bits a second and a burst of ${burst} allow`
      }
    }
    return undefined
  }
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
  const atLeast = Math.max(LEAST_BURST, (rate * DEFAULT_BURST_SPAN) / SECOND)
  return [{ nic, direction, rate, burst: burst ?? atLeast, passed: [] }]
}
