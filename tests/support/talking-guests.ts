// Guests that answer what they hear: conversations in TCP, UDP, ICMP and ARP on networks by chance, and what each guest hears of them.

import { Lab, type LabObserver } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { arpRequest, icmpEchoFrame, tcpFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { MICROSECOND, MILLISECOND, sleep } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { oneOf } from './frames.ts'
import { carryOut, randomMoves, type Moves } from './random-moves.ts'

const { Syn, Fin, Psh, Ack } = TcpFlag

/** One end of conversations: a vNIC, or what it has behind one of its tags. */
interface End {
  nic: string
  network: string
  tag: number | undefined
  mac: bigint
  address: number
}

/** A frame to be sent by one of the ends, as it is then. */
interface Line {
  by: End
  bytes: Uint8Array
}

export interface Conversation {
  name: string
  start: number
  /** A line is said when its speaker has heard the one before, or a while after one of its own. */
  lines: Line[]
  /** Said one by one at this interval, heard or not; closed where absent. */
  interval?: number
}

export interface TalkScenario {
  seed: number
  topology: Topology
  conversations: Conversation[]
  moves: Moves[]
}

const THINKING = 40 * MICROSECOND
const SPAN = 12 * MILLISECOND

const chance = (random: Random, probability: number) => random.fraction() < probability

export function randomTalk(random: Random): TalkScenario {
  const topology = randomNetwork(random)
  const ends = endsOf(topology)
  const conversations = Array.from({ length: 8 + random.below(12) }, (_, index) => converse(random, ends, index))
  const moves = randomMoves(random, topology, { from: SPAN / 8, to: SPAN, longestPause: 3 * MILLISECOND })
  return { seed: random.uint32(), topology, conversations, moves }
}

function randomNetwork(random: Random): Topology {
  const hosts = Array.from({ length: 2 + random.below(3) }, (_, index) => ({
    name: `h${index + 1}`,
    vtep: `192.0.2.${index + 1}`,
  }))
  const types = [oneOf(random, ['vlan', 'vxlan']), oneOf(random, ['vlan', 'vxlan'])]
  const networks = types.map((type, index) => ({ name: `net${index}`, type, segment: 100 + index }))
  const links = hosts.map(({ name }) => ({ endpoints: [name, 'tor'], delay: `${random.below(40)}us` }))
  const count = 4 + random.below(4)
  return parseTopology(
    JSON.stringify({
      version: 1,
      name: 'talk',
      hosts,
      fabric: { switches: [{ name: 'tor' }], links },
      networks,
      addressGroups: [{ name: 'some', addresses: ['10.0.0.0/30', '10.0.0.5'] }],
      securityGroups: randomGroups(random),
      vms: Array.from({ length: count }, (_, index) => ({
        name: `vm${index}`,
        host: oneOf(random, hosts).name,
        nics: [randomNic(random, index)],
      })),
    }),
    'talk.json',
  )
}

function randomGroups(random: Random): object[] {
  const remote = () =>
    oneOf(random, [
      {},
      {},
      {},
      {},
      { remoteGroup: 'web' },
      { remoteAddressGroup: 'some' },
      { remoteIpPrefix: '10.0.0.0/24' },
    ])
  const any = { direction: 'egress' }
  return [
    { name: 'web', rules: [{ direction: 'ingress', protocol: 'tcp', portRangeMin: 80, ...remote() }] },
    { name: 'client', rules: [any, { direction: 'ingress', protocol: 'icmp', ...remote() }] },
    { name: 'media', rules: [{ direction: 'ingress', protocol: 'udp', portRangeMin: 5000, portRangeMax: 5999 }] },
    { name: 'plain', stateful: false, rules: [any, { direction: 'ingress', ...remote() }] },
  ]
}

function randomNic(random: Random, index: number): object {
  const number = (place: number) => 10 * place + index + 1
  const network = `net${random.below(2)}`
  const other = network === 'net0' ? 'net1' : 'net0'
  const [client, server] = [['client'], ['web', 'media']]
  const groups = [...oneOf(random, [client, client, server, server, [...client, ...server], ['web'], []])]
  if (chance(random, 0.1)) groups.push('plain')
  return {
    name: 'eth0',
    network,
    mac: `02:00:00:00:00:${number(0).toString(16).padStart(2, '0')}`,
    addresses: [`10.0.0.${number(0)}`],
    ...(chance(random, 0.25) && { trunks: [{ tag: 7, network: other, addresses: [`10.0.1.${number(0)}`] }] }),
    policy: {
      ...(chance(random, 0.8) && { securityGroups: groups, ...(chance(random, 0.2) && { deny: 'reject' }) }),
      // As much as any of them ever needs: frames are metered, and none is dropped for it.
      ...(chance(random, 0.3) && { ingressRate: '1Gbps', ingressBurst: '10Mb' }),
      ...(chance(random, 0.3) && { dscp: 1 + random.below(60) }),
      ...(chance(random, 0.2) && { portSecurity: false }),
    },
  }
}

function endsOf(topology: Topology): End[] {
  return topology.vms.flatMap(({ nics }) =>
    nics.flatMap((nic) => {
      const place = (network: string, mac: string, addresses: string[], tag?: number): End => ({
        nic: nic.id,
        network,
        tag,
        mac: parseMac(mac),
        address: parseIpv4(addresses[0]!),
      })
      const subports = nic.trunks.map((one) => place(one.network, one.mac, one.addresses, one.tag))
      return [place(nic.network!, nic.mac, nic.addresses), ...subports]
    }),
  )
}

function converse(random: Random, ends: readonly End[], index: number): Conversation {
  const one = oneOf(random, ends)
  const others = ends.filter(({ nic, network }) => nic !== one.nic && network === one.network)
  const other = others.length === 0 ? oneOf(random, ends) : oneOf(random, others)
  const start = random.below(SPAN / 2)
  const kinds = { tcp, tcp2: tcp, feed, feed2: feed, ping, arp, exchange, stream, broadcast }
  const kind = oneOf(random, Object.keys(kinds) as (keyof typeof kinds)[])
  return { name: `${kind} ${index} ${one.nic} ${other.nic}`, start, ...kinds[kind](random, one, other, index) }
}

type Lines = Pick<Conversation, 'lines' | 'interval'>

const between = (by: End, to: End) => ({
  ethSrc: by.mac,
  ethDst: to.mac,
  ipSrc: by.address,
  ipDst: to.address,
  ...(by.tag !== undefined && { vlan: [{ id: by.tag }] }),
})

/** A request and a long answer, some of it in haste. */
function tcp(random: Random, client: End, server: End, index: number): Lines {
  const ports = [40_000 + index, oneOf(random, [80, 80, 22])] as const
  const next: [number, number] = [random.uint32(), random.uint32()]
  const lines: Line[] = []
  const say = (side: 0 | 1, flags: number, length: number) => {
    const [by, to] = side === 0 ? [client, server] : [server, client]
    const [srcPort, dstPort] = side === 0 ? ports : [ports[1], ports[0]]
    const other = side === 0 ? 1 : 0
    const acknowledgement = (flags & Ack) === 0 ? 0 : next[other]
    const numbers = { sequence: next[side], acknowledgement, flags, payload: new Uint8Array(length).fill(index) }
    lines.push({ by, bytes: tcpFrame({ ...between(by, to), srcPort, dstPort, ...numbers }) })
    next[side] = (next[side] + length + ((flags & (Syn | Fin)) === 0 ? 0 : 1)) >>> 0
  }
  say(0, Syn, 0)
  say(1, Syn | Ack, 0)
  say(0, Ack, 0)
  say(0, Psh | Ack, 40)
  for (let round = 5 + random.below(60); round > 0; round--) {
    for (let burst = 1 + random.below(3); burst > 0; burst--) say(1, Psh | Ack, 1 + random.below(200))
    say(0, Ack, 0)
  }
  say(0, Fin | Ack, 0)
  say(1, Fin | Ack, 0)
  say(0, Ack, 0)
  return { lines }
}

function ping(random: Random, one: End, other: End, index: number): Lines {
  const lines = Array.from({ length: 2 * (1 + random.below(8)) }, (_, at) => {
    const [by, to] = at % 2 === 0 ? [one, other] : [other, one]
    const echo = { identifier: index + 1, sequence: at >> 1, reply: at % 2 === 1 }
    return { by, bytes: icmpEchoFrame({ ...between(by, to), ...echo }) }
  })
  return { lines }
}

function arp(_random: Random, one: End, other: End): Lines {
  const { ethSrc, ipSrc, ipDst, ...rest } = between(one, other)
  return { lines: [{ by: one, bytes: arpRequest({ ...rest, ethDst: 0xffffffffffffn, ethSrc, ipSrc, ipDst }) }] }
}

function exchange(random: Random, one: End, other: End, index: number): Lines {
  const ports = [30_000 + index, oneOf(random, [5000, 5004, 53])] as const
  const lines = Array.from({ length: 2 + random.below(16) }, (_, at) => {
    const [by, to] = at % 2 === 0 ? [one, other] : [other, one]
    const [srcPort, dstPort] = at % 2 === 0 ? ports : [ports[1], ports[0]]
    return { by, bytes: udpFrame({ ...between(by, to), srcPort, dstPort, payload: Uint8Array.of(index, at) }) }
  })
  return { lines }
}

function stream(random: Random, one: End, other: End, index: number): Lines {
  const ports = { srcPort: 20_000 + index, dstPort: 5004 }
  const lines = Array.from({ length: 10 + random.below(80) }, (_, at) => ({
    by: one,
    bytes: udpFrame({ ...between(one, other), ...ports, payload: Uint8Array.of(index, at) }),
  }))
  return { lines, interval: (1 + random.below(150)) * MICROSECOND }
}

/** One request, and a long answer that nothing is said to. */
function feed(random: Random, one: End, other: End, index: number): Lines {
  const request = udpFrame({ ...between(one, other), srcPort: 10_000 + index, dstPort: 5004 })
  const lines = Array.from({ length: 10 + random.below(150) }, (_, at) => {
    const answer = { ...between(other, one), srcPort: 5004, dstPort: 10_000 + index }
    return { by: other, bytes: udpFrame({ ...answer, payload: Uint8Array.of(index, at) }) }
  })
  return { lines: [{ by: one, bytes: request }, ...lines] }
}

function broadcast(random: Random, one: End, other: End, index: number): Lines {
  const { lines, interval } = stream(random, one, { ...other, mac: 0xffffffffffffn, address: 0xffffffff }, index)
  return { lines: lines.slice(0, 12), interval: interval! * 5 }
}

/** What a vNIC has heard of a conversation, in order. */
export type Heard = Map<string, Map<string, string[]>>

export interface TalkOutcome {
  heard: Heard
  lab: Lab
  moved: number
}

/** Plays the scenario to its end, with its moves or without. */
export async function play(scenario: TalkScenario, moves: readonly Moves[]): Promise<TalkOutcome> {
  const clock = new VirtualClock()
  const talk = new Talk(clock)
  const lab = await Lab.start(scenario.topology, { clock, seed: scenario.seed, observer: talk.observer })
  talk.lab = lab
  const said = Promise.all(scenario.conversations.map((one) => talk.begin(one)))
  const moved = await clock.runUntil(Promise.all(moves.map((one) => carryOut(lab, one))))
  await clock.runUntil(said)
  await clock.run(clock.now() + 4 * SPAN)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return { heard: talk.heard, lab, moved: moved.reduce((sum, one) => sum + one, 0) }
}

class Talk {
  readonly heard: Heard = new Map()
  lab: Lab | undefined
  readonly observer: LabObserver = {
    sent: (_at, nic, id, bytes) => this.#sent(nic, id, bytes),
    heard: (_at, nic, id, bytes) => this.#hear(nic, id, bytes),
  }
  readonly #clock: VirtualClock
  /** By bytes: what is said when. */
  readonly #lines = new Map<string, { conversation: Conversation; at: number }>()
  /** By identity of a frame on its way. */
  readonly #onTheWay = new Map<number, { conversation: Conversation; at: number }>()
  readonly #said = new Set<Line>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  async begin(conversation: Conversation): Promise<void> {
    const { start, lines, interval } = conversation
    for (const [at, { bytes, by }] of lines.entries()) this.#lines.set(keyOf(by.nic, bytes), { conversation, at })
    await sleep(this.#clock, start)
    if (interval === undefined) return this.#say(conversation, 0)
    for (const [at] of lines.entries()) {
      this.#say(conversation, at)
      await sleep(this.#clock, interval)
    }
  }

  #heardOf(nic: string, name: string): string[] {
    let ofNic = this.heard.get(nic)
    if (ofNic === undefined) this.heard.set(nic, (ofNic = new Map()))
    let of = ofNic.get(name)
    if (of === undefined) ofNic.set(name, (of = []))
    return of
  }

  #sent(nic: string, id: number, bytes: Uint8Array): void {
    const line = this.#lines.get(keyOf(nic, bytes))
    if (line !== undefined) this.#onTheWay.set(id, line)
  }

  #hear(nic: string, id: number, bytes: Uint8Array): void {
    const line = this.#onTheWay.get(id)
    if (line === undefined) return
    const { conversation, at } = line
    this.#heardOf(nic, conversation.name).push(`${at} ${Buffer.from(bytes).toString('hex')}`)
    const next = conversation.lines[at + 1]
    if (conversation.interval === undefined && next?.by.nic === nic)
      this.#clock.schedule(this.#clock.now() + THINKING, () => this.#say(conversation, at + 1))
  }

  #say(conversation: Conversation, at: number): void {
    const line = conversation.lines[at]
    if (line === undefined || this.#said.has(line)) return
    this.#said.add(line)
    this.lab?.inject(line.by.nic, line.bytes, conversation.name)
    const next = conversation.lines[at + 1]
    if (conversation.interval === undefined && next?.by === line.by)
      this.#clock.schedule(this.#clock.now() + THINKING, () => this.#say(conversation, at + 1))
  }
}

const keyOf = (nic: string, bytes: Uint8Array) => `${nic} ${Buffer.from(bytes).toString('hex')}`
