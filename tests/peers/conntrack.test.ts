// The same frames through the connection tracker of a real Open vSwitch and through ours: the same frames leave, with the same
// state, zone, mark and label, and the same connections are left. Every case is drawn from its own seed; to
// repeat one,
//
//   npx vitest run --project peers tests/peers/conntrack.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs the Debian package openvswitch-switch; nobody need be root.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConnectionTracker } from '../../datapath/conntrack/connection-tracker.ts'
import { formatConnection } from '../../datapath/conntrack/format.ts'
import type { NatRequest, TrackedFrame, TrackRequest } from '../../datapath/conntrack/tracker.ts'
import { FrameArena } from '../../datapath/frames.ts'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Saying } from '../support/connection-traffic.ts'
import { Traffic } from '../support/connection-traffic.ts'
import { oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'
import { GrowingCapture } from './support/growing-capture.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const BRIDGE = 'ct'
const SMALLEST_FRAGMENT = 400

describe.runIf(ovsInstalled())('beside Open vSwitch', () => {
  let ovs: Ovs
  let sent: GrowingCapture

  beforeAll(async () => {
    ovs = await startOvs()
    await ovs.addBridge(BRIDGE)
    for (const port of [1, 2]) await ovs.addPort(BRIDGE, `ct${port}`, port)
    sent = new GrowingCapture(await ovs.addPort(BRIDGE, 'ct3', 3))
    for (const version of ['v4', 'v6']) await ovs.appctl('dpctl/ipf-set-min-frag', version, String(SMALLEST_FRAGMENT))
  })

  afterAll(async () => {
    sent?.close()
    await ovs?.stop()
  })

  async function setUp(flows: string[], sequenceChecks: boolean): Promise<void> {
    const file = join(ovs.directory, 'flows.txt')
    writeFileSync(file, ['delete', ...flows].join('\n'))
    await ovs.ofctl('-O', 'OpenFlow15', 'add-flows', ovs.bridge(BRIDGE), file)
    await ovs.appctl('revalidator/purge')
    await ovs.appctl('dpctl/flush-conntrack')
    await ovs.appctl(sequenceChecks ? 'dpctl/ct-enable-tcp-seq-chk' : 'dpctl/ct-disable-tcp-seq-chk')
  }

  async function theirs({ side, bytes }: Saying): Promise<string[]> {
    await ovs.receive(`ct${side + 1}`, bytes)
    return sent.read().map(hex)
  }

  test.each(seeds(240))('frames have the states that they have there (seed %i)', async (seed) => {
    const random = seeded(seed)
    const family = random.below(2) === 0 ? 4 : 6
    const chains = randomChains(random, family)
    const ours = new Ours(chains, random)
    ours.tracker.sequenceChecks = random.below(8) > 0
    const flows = flowsOf(chains, family)
    await setUp(flows, ours.tracker.sequenceChecks)
    // Open vSwitch lets a fragment that it has found invalid wait for its datagram anew at the next `ct`. Where it translates,
    // it repairs the checksum of a quoted TCP header even if that is not there, in memory that is not the frame's; and of
    // ICMPv6 errors it spoils the quoted packet, for it takes the outer header's protocol for the connection's.
    const traffic = new Traffic(random, family, {
      quotes: !ours.translates ? 'any' : family === 4 ? 'long' : 'none',
      repeats: chains.every((chain) => chain.length === 1),
    })
    const story: string[] = [...flows]
    for (let round = 0; round < 40; round++)
      for (const saying of traffic.next()) {
        if (ours.reopens(saying)) continue
        const [answer, expected] = [ours.receive(saying), await theirs(saying)]
        story.push(`${saying.side}: ${hex(saying.bytes)}`, ...expected.map((frame) => `  ${frame}`))
        // The order of fragments hangs on which of them its caches know.
        expect(answer.map(hex).sort(), story.join('\n')).toEqual(expected.toSorted())
        for (const bytes of answer) traffic.heard(saying, bytes)
      }
    const dumped = (await ovs.appctl('dpctl/dump-conntrack')).split('\n').filter((line) => line !== '')
    expect(ours.tracker.dump().map(formatConnection).sort(), story.join('\n')).toEqual(dumped.sort())
    expect(ours.close()).toBe(0)
  })
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The `ct` actions that a frame meets, one table after the other, by the side that it comes from. */
type Chains = [TrackRequest[], TrackRequest[]]

const PLAIN = { zone: 0, commit: false, force: false, alg: 0 } as const

function randomChains(random: Random, family: 4 | 6): Chains {
  // Of its own: fragments of other cases may still wait.
  const zone = random.below(8) === 0 ? 0 : random.below(65000)
  const natted = random.below(3) > 0 ? randomNat(random, family) : undefined
  const chain = (commits: boolean): TrackRequest[] => {
    const look: TrackRequest = { ...PLAIN, zone, ...(natted && random.below(4) > 0 && { nat: 'restore' as const }) }
    const commit: TrackRequest = {
      ...PLAIN,
      zone: random.below(8) === 0 ? zone + 1 : zone,
      commit: true,
      force: !natted && random.below(8) === 0,
      ...(natted && { nat: natted }),
      ...randomMarks(random),
    }
    const last: TrackRequest = { ...PLAIN, zone, ...(natted && random.below(2) === 0 && { nat: 'restore' as const }) }
    if (!commits) return random.below(3) === 0 ? [look, last] : [look]
    return oneOf(random, [[commit], [look, commit], [look, commit, last], [commit, last]])
  }
  return [chain(random.below(16) > 0), chain(random.below(8) === 0)]
}

function randomMarks(random: Random): Partial<TrackRequest> {
  const word = () => random.uint32()
  const maskedWord = (mask: number) => (word() & mask) >>> 0
  const mask = oneOf(random, [0xffffffff, 0xff, word()])
  const masks = Uint32Array.from([0xffffffff, 0, 0xffff, oneOf(random, [0xffffffff, 0xff00])])
  return {
    ...(random.below(2) === 0 && { mark: { value: maskedWord(mask), mask } }),
    ...(random.below(2) === 0 && { label: { value: masks.map(maskedWord), mask: masks } }),
  }
}

/**
 * Only where no choice is left: one address, and no port or one. It is no host's own: a translation into what was there before
 * ends Open vSwitch 3.1 with a failed assertion.
 */
function randomNat(random: Random, family: 4 | 6): NatRequest {
  const address = family === 4 ? BigInt(parseIpv4('10.0.9.9')) : parseIpv6('fd09::9')
  const port = oneOf(random, [8080, 4000])
  return {
    direction: random.below(2) === 0 ? 'src' : 'dst',
    persistent: false,
    algorithm: undefined,
    addresses: { family, first: address, last: address },
    ...(random.below(3) === 0 && { ports: { first: port, last: port } }),
  }
}

const SHOW = [
  'move:NXM_NX_CT_STATE[0..7]->NXM_OF_ETH_SRC[0..7]',
  'move:NXM_NX_CT_ZONE[]->NXM_OF_ETH_SRC[8..23]',
  'move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[0..31]',
  'move:NXM_NX_CT_LABEL[0..15]->NXM_OF_ETH_DST[32..47]',
  'output:3',
].join(',')

function flowsOf(chains: Chains, family: 4 | 6): string[] {
  return chains.flatMap((chain, side) => [
    ...chain.map(
      (request, table) =>
        `add table=${table},in_port=${side + 1},${family === 4 ? 'ip' : 'ipv6'},actions=${actionText(request, table + 1)}`,
    ),
    `add table=${chain.length},in_port=${side + 1},actions=${SHOW}`,
  ])
}

function actionText({ zone, commit, force, mark, label, nat }: TrackRequest, table: number): string {
  const words = [`table=${table}`, `zone=${zone}`]
  if (commit) words.push(force ? 'commit,force' : 'commit')
  if (nat) words.push(nat === 'restore' ? 'nat' : natText(nat))
  const sets = [
    ...(mark ? [`set_field:${mark.value}/${mark.mask}->ct_mark`] : []),
    ...(label ? [`set_field:${longHex(label.value)}/${longHex(label.mask)}->ct_label`] : []),
  ]
  if (sets.length > 0) words.push(`exec(${sets.join(',')})`)
  return `ct(${words.join(',')})`
}

const longHex = (words: Uint32Array) => `0x${Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('')}`

function natText({ direction, addresses, ports }: NatRequest): string {
  const { family, first } = addresses!
  const address = family === 4 ? formatIpv4(Number(first)) : formatIpv6(first)
  const bracketed = family === 6 && ports ? `[${address}]` : address
  return `nat(${direction}=${bracketed}${ports ? `:${ports.first}` : ''})`
}

class Ours {
  readonly tracker: ConnectionTracker
  readonly #arena = new FrameArena()
  readonly #chains: Chains

  constructor(chains: Chains, random: Random) {
    this.#chains = chains
    this.tracker = new ConnectionTracker({ clock: new VirtualClock(), random: random.fork('tracker') })
    this.tracker.fragments.smallest = { 4: SMALLEST_FRAGMENT, 6: SMALLEST_FRAGMENT }
  }

  get translates(): boolean {
    return this.#chains.flat().some(({ nat }) => nat !== undefined)
  }

  receive({ side, bytes }: Saying): Uint8Array[] {
    let tracked: (TrackedFrame | { frame: number; words?: undefined })[] = [{ frame: this.#arena.allocateFrom(bytes) }]
    for (const request of this.#chains[side])
      tracked = tracked.flatMap((one) =>
        this.tracker.track(this.#arena, one.frame, request, one.words ? one : undefined),
      )
    return tracked.map(({ frame, words = new Uint32Array(20) }) => {
      const shown = show(this.#arena.read(frame).slice(), words)
      this.#arena.release(frame)
      return shown
    })
  }

  /**
   * Whether this may begin a translated TCP connection anew. The one that has ended still keeps its ports from the new one in
   * Open vSwitch, until its next sweep.
   */
  reopens({ bytes }: Saying): boolean {
    if (!this.translates) return false
    const isV4 = bytes[12] === 0x08
    if (bytes[isV4 ? 23 : 20] !== IpProtocol.Tcp) return false
    const flags = bytes[isV4 ? 47 : 67] ?? 0
    const ended = this.tracker.dump().some((connection) => formatConnection(connection).includes('TIME_WAIT'))
    return (flags & (TcpFlag.Syn | TcpFlag.Ack)) === TcpFlag.Syn && ended
  }

  /** Gives how many frames were lost. */
  close(): number {
    this.tracker.close()
    return this.#arena.live
  }
}

/** Writes into the Ethernet addresses what `SHOW` writes. */
function show(bytes: Uint8Array, words: Uint32Array): Uint8Array {
  const view = new DataView(bytes.buffer)
  const [state, zone, mark, , , , label] = words
  view.setUint8(11, state!)
  view.setUint16(9, zone!)
  view.setUint32(2, mark!)
  view.setUint16(0, label! & 0xffff)
  return bytes
}
