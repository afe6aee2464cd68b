import { describe, expect, test } from 'vitest'
import { portPrefixes } from '../../controller/apps/port-prefixes.ts'
import { bareIntent } from '../../controller/network/intent.ts'
import type { View } from '../../controller/network/view.ts'
import { buildView } from '../../controller/network/build-view.ts'
import { compile } from '../../controller/reconcile/compile.ts'
import { diff } from '../../controller/reconcile/diff.ts'
import type { SwitchState } from '../../controller/reconcile/switch-state.ts'
import { EMPTY_STATE } from '../../controller/reconcile/switch-state.ts'
import { appOfCookie } from '../../controller/tables.ts'
import { parseFlowMod } from '../../protocols/flow-text/parse.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { seeded } from '../../runtime/random.ts'
import type { Nic, SecurityGroup, SecurityGroupRule, Topology } from '../../topologies/topology.ts'
import { holds, parseAddress, parsePrefix } from '../../topologies/subnets.ts'
import { withSecurityGroups } from '../support/random-security-groups.ts'
import type { Saying } from '../support/group-sayings.ts'
import {
  addressOf,
  answerTo,
  BROADCAST,
  frameOf,
  guest,
  GUESTS,
  isIcmp,
  oneHost,
  pick,
  randomSaying,
  REQUESTS,
  withEvents,
} from '../support/group-sayings.ts'
import type { TestSwitch } from '../support/test-switch.ts'
import { testSwitch } from '../support/test-switch.ts'
import { seeds } from '../support/seeds.ts'

const GUEST_NUMBERS = Array.from({ length: GUESTS }, (_, index) => index + 1)

/** One host's switch with what the controller would have it have. */
class Host {
  readonly device: TestSwitch = testSwitch()
  #view: View | undefined
  #state: SwitchState | undefined
  topology: Topology

  constructor(topology: Topology) {
    this.topology = topology
    this.device.sw.connections.sequenceChecks = false
    this.apply(topology)
    for (const port of this.#state!.ports.values()) this.device.sw.ports.add(port)
  }

  /** Resolves with how many flows had to be set and deleted. */
  apply(topology: Topology): number {
    this.topology = topology
    this.#view = buildView(bareIntent(topology), this.#view)
    const now = compile(this.#view.switches.get('h1/br-int')!, this.#view)
    const { setFlows, removedFlows } = diff(this.#state ?? EMPTY_STATE, now)
    const common = { type: 'flowMod', cookieMask: 0n } as const
    this.device.sw.tables.applyBundle([
      ...setFlows.map((flow) => ({ ...common, command: 'add' as const, ...flow })),
      ...removedFlows.map((flow) => ({ ...common, command: 'delete-strict' as const, ...flow })),
    ])
    this.#state = now
    return setFlows.length + removedFlows.length
  }

  get flows() {
    return [...this.#state!.flows.values()]
  }

  portOf(nic: string): number {
    return this.#view!.portNumbers.get('h1/br-int')!.get(nic)!
  }

  /** The guests that hear what guest `from` says. */
  hears(from: number, bytes: Uint8Array): number[] {
    const ends = this.device.receive(bytes, this.portOf(`vm${from}:eth0`))
    return GUEST_NUMBERS.filter((one) => ends.some((end) => end.startsWith(`${this.portOf(`vm${one}:eth0`)}: `)))
  }
}

// ---- What may be heard, the slow way -----------------------------------------------------------------------------

interface Known {
  /** Whose connection it is to him. */
  nic: string
  opener: Saying
  direction: 'ingress' | 'egress'
  kept: boolean
  answered: boolean
}

/** Every rule of every group is asked about every frame; connections are a list. */
class Evaluator {
  topology: Topology
  readonly #known: Known[] = []

  constructor(topology: Topology) {
    this.topology = topology
  }

  /** Those of `guests` that hear it. */
  hears(said: Saying, guests: readonly number[]): number[] {
    const nicOf = (number: number) => this.topology.vms[number - 1]!.nics[0]!
    if (!this.#lets(nicOf(said.from), 'egress', said)) return []
    return guests.filter((one) => this.#lets(nicOf(one), 'ingress', said))
  }

  #lets(nic: Nic, direction: 'ingress' | 'egress', said: Saying): boolean {
    const names = nic.policy.securityGroups
    if (names === undefined) return true
    const groups = this.topology.securityGroups.filter(({ name }) => names.includes(name))
    const allowing = (stateful: boolean, way: string, about: Saying, port: number) =>
      groups.filter(
        (group) =>
          group.stateful === stateful &&
          group.rules.some((rule) => rule.direction === way && this.#matches(rule, about, port)),
      )
    if (allowing(false, direction, said, said.destinationPort).length > 0) return true
    if (!groups.some(({ stateful }) => stateful)) return false
    const own = this.#known.filter((one) => one.nic === nic.id)
    const forward = own.find(({ opener }) => sameTuple(opener, said))
    const known = forward ?? own.find(({ opener }) => sameTuple(opener, answerTo(said)))
    if (known === undefined) {
      const found = opens(said) ? allowing(true, direction, said, said.destinationPort) : []
      if (found.length === 0) return false
      const kept = found.some(({ onRuleRemoval }) => onRuleRemoval === 'keep')
      this.#known.push({ nic: nic.id, opener: said, direction, kept, answered: false })
      return true
    }
    const isReply = forward === undefined
    if (isReply) known.answered = true
    if (known.kept && (known.answered || said.protocol === 6)) return true
    const port = isReply ? said.sourcePort : said.destinationPort
    const found = allowing(true, known.direction, known.opener, port)
    // It is committed again, for whoever allows it now.
    if (!known.answered && said.protocol !== 6) known.kept ||= found.some((one) => one.onRuleRemoval === 'keep')
    return found.length > 0
  }

  #matches(rule: SecurityGroupRule, said: Saying, port: number): boolean {
    const { ethertype, protocol, ports, icmpType, icmpCode = 0, direction, remote } = rule
    if (ethertype !== `IPv${said.version}`) return false
    if (protocol !== undefined && protocol !== said.protocol) return false
    if (ports !== undefined && (port < ports.first || port > ports.last)) return false
    if (icmpType !== undefined && (icmpType !== said.icmpType || icmpCode !== 0)) return false
    const far = parseAddress(addressOf(direction === 'ingress' ? said.from : said.to, said.version))
    const isIn = (texts: readonly string[]) => texts.some((text) => holds(parsePrefix(text), far))
    if (remote === undefined) return true
    if (remote.kind === 'prefix') return isIn([remote.prefix])
    if (remote.kind === 'addressGroup')
      return isIn(this.topology.addressGroups.find(({ name }) => name === remote.group)!.addresses)
    const members = this.topology.vms
      .flatMap(({ nics }) => nics)
      .filter((nic) => nic.policy.securityGroups?.includes(remote.group))
    return isIn(
      members.flatMap(({ addresses, policy }) => [
        ...addresses,
        ...(policy.allowedAddressPairs ?? []).map(({ prefix }) => prefix),
      ]),
    )
  }
}

const opens = ({ protocol, flags, icmpType }: Saying): boolean => {
  // One that goes on whose beginning nobody saw is taken up.
  if (protocol === 6) return flags === TcpFlag.Syn || flags === TcpFlag.Ack
  return protocol !== 1 && protocol !== 58 ? true : REQUESTS.includes(icmpType)
}

/** Trackers know no ports of other protocols. */
function sameTuple(a: Saying, b: Saying): boolean {
  const same = a.from === b.from && a.to === b.to && a.version === b.version && a.protocol === b.protocol
  const withPorts = a.protocol === 6 || a.protocol === 17 || isIcmp(a)
  return (
    same &&
    (!withPorts ||
      (a.sourcePort === b.sourcePort && a.destinationPort === b.destinationPort && a.icmpType === b.icmpType))
  )
}

const SAYINGS = 320

const TRACKED_BY_A_USER = ['table=0,ip,actions=ct(commit,zone=5,table=1)', 'table=1,actions=goto_table:10'].map(
  (text) => parseFlowMod(text),
)

describe('what a vNIC hears', () => {
  const SEEDS = seeds(6)
  let heard = 0
  let denied = 0
  test.each(SEEDS)('is what its groups and those of the sender allow, also as they change (seed %i)', (seed) => {
    const random = seeded(seed)
    const topology = withSecurityGroups(random, oneHost())
    const host = new Host(topology)
    // What a user's flow has found out of a connection is nothing to the groups.
    if (seed % 4 === 0) host.device.sw.tables.applyBundle(TRACKED_BY_A_USER)
    const evaluator = new Evaluator(topology)
    const past: Saying[] = []
    for (let turn = 0; turn < SAYINGS; turn++) {
      if (turn % 40 === 39) {
        evaluator.topology = withEvents(random, evaluator.topology)
        host.apply(evaluator.topology)
      }
      const old = past.length > 0 && random.below(3) > 0 ? pick(random, past.slice(-12)) : undefined
      const said = old === undefined ? randomSaying(random) : random.below(2) === 0 ? answerTo(old) : old
      const frame = frameOf(said)
      const isFlooded = random.below(10) === 0
      if (isFlooded) frame.set(BROADCAST)
      const guests = isFlooded ? GUEST_NUMBERS.filter((one) => one !== said.from) : [said.to]
      const expected = evaluator.hears(said, guests)
      heard += expected.length
      denied += guests.length - expected.length
      expect({ turn, said, heard: host.hears(said.from, frame) }).toEqual({ turn, said, heard: expected })
      past.push(said)
    }
  })

  test('was something, and not all', () => {
    expect(heard).toBeGreaterThan(25 * SEEDS.length)
    expect(denied).toBeGreaterThan(40 * SEEDS.length)
  })
})

describe('a change touches only what it must', () => {
  const MEMBERS = 2000
  const rule = (terms: Partial<SecurityGroupRule>): SecurityGroupRule => ({
    direction: 'ingress',
    ethertype: 'IPv4',
    protocol: 6,
    ...terms,
  })
  const remote = { kind: 'group', group: 'web' } as const
  const db: SecurityGroup = {
    name: 'db',
    stateful: true,
    onRuleRemoval: 'cut',
    rules: [3306, 5432, 6379].map((port) => rule({ ports: { first: port, last: port }, remote })),
  }
  const web: SecurityGroup = { ...db, name: 'web', rules: [rule({ direction: 'egress' })] }
  const member = (index: number, securityGroups: string[]): Topology['vms'][number] => {
    const [vm] = [guest(9, { portSecurity: true, securityGroups })]
    const [nic] = vm!.nics
    const addresses = [`10.1.${index >> 8}.${index & 255}`]
    const mac = `02:00:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`
    return { name: `m${index}`, host: 'h2', nics: [{ ...nic!, id: `m${index}:eth0`, vm: `m${index}`, addresses, mac }] }
  }
  const small = oneHost([web, db], { securityGroups: ['db'] })
  const many: Topology = {
    ...small,
    hosts: [...small.hosts, { name: 'h2', bridges: [{ name: 'br-int' }] }],
    vms: [...small.vms, ...Array.from({ length: MEMBERS }, (_, index) => member(index, ['web']))],
  }
  const host = new Host(many)
  const ofGroups = () => host.flows.filter(({ cookie }) => appOfCookie(cookie) === 'security_groups').length
  const withDb = (rules: SecurityGroupRule[]): Topology => ({ ...many, securityGroups: [web, { ...db, rules }] })

  test('a group of 2,000 behind three rules on five ports is 2,000 flows, and no product', () => {
    expect(ofGroups()).toBeGreaterThan(MEMBERS)
    expect(ofGroups()).toBeLessThan(MEMBERS + 100)
  })

  test('a member more or less is one flow, whatever the number of rules and ports', () => {
    const left = { ...many, vms: many.vms.with(many.vms.length - 1, member(MEMBERS - 1, [])) }
    expect(host.apply(left)).toBe(1)
    expect(host.apply(many)).toBe(1)
  })

  test('a rule more or less is its own flows: as many as its ports take prefixes', () => {
    expect(host.apply(withDb([...db.rules, rule({ ports: { first: 8080, last: 8087 }, remote })]))).toBe(1)
    expect(host.apply(withDb([...db.rules, rule({ ports: { first: 8081, last: 8087 }, remote })]))).toBe(3 + 1)
    expect(host.apply(withDb(db.rules))).toBe(3)
    expect(host.apply(withDb(db.rules.slice(1)))).toBe(1)
    expect(host.apply(many)).toBe(1)
  })

  test('a vNIC that comes into groups that are there already brings what is its own alone', () => {
    const before = ofGroups()
    host.apply({ ...many, vms: [...many.vms, { ...guest(6, { portSecurity: true, securityGroups: ['db'] }) }] })
    expect(ofGroups() - before).toBe(2)
  })
})

test.each(Array.from({ length: 200 }, (_, seed) => seed))(
  'a range of ports is exactly its prefixes (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const [one, other] = [1 + random.below(65_535), 1 + random.below(65_535)]
    const range = { first: Math.min(one, other), last: Math.max(one, other) }
    const prefixes = portPrefixes(range)
    const held = (port: number) => prefixes.filter(({ value, mask }) => (BigInt(port) & mask) === value).length
    for (const port of [0, range.first - 1, range.first, range.last, range.last + 1, 65_535, random.below(65_536)])
      expect(held(port)).toBe(port >= range.first && port <= range.last ? 1 : 0)
    expect(prefixes.length).toBeLessThanOrEqual(30)
  },
)
