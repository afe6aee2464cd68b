// The judge's own law of security groups, beside one who enforces such groups with a connection tracker: what it says must be let through
// is, what it says must not be is not, and it leaves little open.

import { expect, test } from 'vitest'
import { Guard, type Passage } from '../../lab/judge/groups/guard.ts'
import { isOfTheNetwork, overhear } from '../../lab/judge/groups/talk.ts'
import { CtState, Word } from '../../protocols/fields.ts'
import { SECOND } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { SecurityGroupRule } from '../../topologies/topology.ts'
import { Bench } from '../datapath/conntrack/support.ts'
import { Traffic } from '../support/connection-traffic.ts'
import { oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'

const topologyOf = (rules: object[], stateful = true) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'guard',
      hosts: [{ name: 'h1' }],
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      securityGroups: [{ name: 'web', stateful, rules }],
      vms: [{ name: 'a', host: 'h1', nics: [{ name: 'eth0', network: 'blue', policy: { securityGroups: ['web'] } }] }],
    }),
    'guard.json',
  )

/** Rules about the ports and protocols of the traffic, some of them or all. */
function randomRules(random: Random, family: 4 | 6): SecurityGroupRule[] {
  const ethertype = family === 4 ? 'IPv4' : 'IPv6'
  const icmp = family === 4 ? 1 : 58
  const terms: Partial<SecurityGroupRule>[] = [
    { protocol: 6, ports: { first: 80, last: 80 } },
    { protocol: 6, ports: { first: 400, last: 50_000 } },
    { protocol: 17 },
    { protocol: icmp, icmpType: family === 4 ? 8 : 128 },
    { protocol: icmp },
    { protocol: 132 },
  ]
  const rules: SecurityGroupRule[] = []
  for (const direction of ['ingress', 'egress'] as const)
    for (const term of terms)
      if (random.below(direction === 'ingress' ? 5 : 2) === 0) rules.push({ direction, ethertype, ...term })
  return rules
}

/** Tracks every frame, lets in what belongs to a connection or begins one by a rule, and commits that. */
class Enforcer {
  readonly bench = new Bench()
  readonly #rules: readonly SecurityGroupRule[]

  constructor(rules: readonly SecurityGroupRule[]) {
    this.#rules = rules
  }

  /** What comes through of this frame, and of fragments that waited for it. */
  letThrough(bytes: Uint8Array, direction: 'ingress' | 'egress'): Uint8Array[] {
    return this.bench.all(bytes).flatMap(({ word, tracked, bytes: out }) => {
      const state = word(Word.ctState)
      if ((state & CtState.Invalid) !== 0) return []
      if ((state & (CtState.Established | CtState.Related)) !== 0) return [out]
      if (!this.#rules.some((rule) => rule.direction === direction && this.#fits(rule, word))) return []
      this.bench.all(out, { commit: true }, tracked)
      return [out]
    })
  }

  #fits({ protocol, ports, icmpType }: SecurityGroupRule, word: (at: number) => number): boolean {
    const [type, port] = [word(Word.ctTransportSource), word(Word.ctTransportDestination)]
    if (protocol !== word(Word.ctProtocol)) return false
    return (
      (icmpType === undefined || icmpType === type) &&
      (ports === undefined || (port >= ports.first && port <= ports.last))
    )
  }
}

const SEEDS = seeds(20)

const told = { allowed: 0, denied: 0, unsure: 0 }

test.each(SEEDS)('what it is sure of, a connection tracker does (seed %i)', async (seed) => {
  const random = seeded(seed)
  const family = seed % 2 === 0 ? 6 : 4
  const rules = randomRules(random, family)
  const guard = new Guard({
    ...topologyOf([]),
    securityGroups: [{ name: 'web', stateful: true, onRuleRemoval: 'cut', rules }],
  })
  const enforcer = new Enforcer(rules)
  const traffic = new Traffic(random, family, { fragments: false })
  const surprises: object[] = []
  for (let round = 0; round < 400; round++) {
    if (random.below(8) === 0)
      await enforcer.bench.clock.run(enforcer.bench.clock.now() + oneOf(random, [1, 5, 31, 1000]) * SECOND)
    for (const saying of traffic.next()) {
      const passage = passageOf(saying.bytes, saying.side === 0 ? 'egress' : 'ingress', enforcer.bench.clock.now())
      // A tracker knows nothing of what the network itself needs.
      if (passage.talk !== undefined && isOfTheNetwork(passage.talk, passage.direction) !== 'no') continue
      const opinion = guard.opinion(passage)
      told[opinion]++
      const passed = enforcer.letThrough(saying.bytes, passage.direction).length > 0
      const is = passed ? 'allowed' : 'denied'
      if (opinion !== 'unsure' && opinion !== is) surprises.push({ round, opinion, is, talk: passage.talk })
      if (passage.direction === 'egress' && opinion !== 'denied') guard.passed(passage, opinion === 'allowed')
      if (passage.direction === 'ingress' && passed) guard.passed(passage, true)
      if (opinion === 'denied' || (passage.direction === 'ingress' && !passed)) guard.refused(passage)
      if (passed) traffic.heard(saying, saying.bytes)
    }
  }
  expect(surprises).toEqual([])
})

test('and it is sure of most', () => {
  expect(told.allowed).toBeGreaterThan(SEEDS.length * 40)
  expect(told.denied).toBeGreaterThan(SEEDS.length * 40)
  expect(told.unsure).toBeLessThan((told.allowed + told.denied) / 2)
})

function passageOf(bytes: Uint8Array, direction: 'ingress' | 'egress', at: number): Passage {
  return { nic: 'a:eth0', network: 'blue', direction, at, talk: overhear(bytes), etherType: 0x0800 }
}
