// The same pipelines that track connections, as bytes of OpenFlow, and the same conversations for a real Open vSwitch and for ours:
// the same frames leave, the controller is told the same of each, and the same connections are left. Where an address or a port is
// chosen, each side is answered with what it chose. Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/conntrack-pipeline.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs the Debian package openvswitch-switch; nobody need be root.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Message } from '../../protocols/control/messages.ts'
import { parseFlowMod, parseGroupMod } from '../../protocols/flow-text/parse.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import type { Saying } from '../support/connection-traffic.ts'
import { Traffic } from '../support/connection-traffic.ts'
import { oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'
import { Choices } from './support/chosen.ts'
import type { ConnectionCase } from './support/connection-cases.ts'
import { connectionCase } from './support/connection-cases.ts'
import type { Answer, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides, isDeath } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

// Open vSwitch chooses addresses and ports by chance, each of its processes in its own way: of two connections that happen to be given the
// same, one may end the other there, and not here. A difference that is there for another reason is there in each process.
const AGAIN = { retry: 3 }
const PORTS = 3
const ROUNDS = 20
const SMALLEST_FRAGMENT = 400
/** Milliseconds: shorter than every timeout, and a little longer than some. */
const PAUSES = [1000, 20_000, 31_000, 61_000, 901_000, 86_401_000]

const count = { cases: 0, died: 0, frames: 0, copies: 0, packetIns: 0, connections: 0 }

describe.runIf(ovsInstalled())('tracked connections in pipelines beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(PORTS)
  })
  afterAll(async () => {
    await sides?.stop()
    console.log(JSON.stringify(count))
  })

  test.for(seeds(300))('frames go where they go there (seed %i)', AGAIN, async (seed, { task }) => {
    if ((task.result?.retryCount ?? 0) > 0) await sides.restart()
    const random = seeded(seed)
    const drawn = connectionCase(random)
    const run = new Conversation(sides, drawn, random, ({ ours, theirs }, story) =>
      expect(ours, story.join('\n')).toEqual(theirs),
    )
    try {
      await sides.reset()
      await run.start()
      for (let round = 0; round < ROUNDS; round++) await run.round()
      await run.end()
      count.cases++
    } catch (error) {
      if (!isDeath(error)) throw error
      count.died++
      console.log(`died of seed ${seed}`)
      await sides.restart()
    }
  })

  test('Open vSwitch seldom dies of what it is asked', () => {
    expect(count.died).toBeLessThanOrEqual(count.cases / 50)
  })
})

type Compare = (lines: Sides<string[]>, story: readonly string[]) => void

/** What is said on both sides of both switches. */
class Conversation {
  readonly #sides: OpenFlowSides
  readonly #case: ConnectionCase
  readonly #random: Random
  readonly #same: Compare
  readonly #traffic: Sides<Traffic>
  readonly #choices: Sides<Choices>
  readonly #story: string[]
  /**
   * Not where choices are free: an old one may be another connection's by now on one side. Nor where there are fragments: what is
   * left of a datagram follows a later frame in Open vSwitch.
   */
  readonly #pauses: boolean
  /** By the conversation's number, the port at which its far end is. */
  readonly #farPorts = new Map<number, number>()

  constructor(sides: OpenFlowSides, drawn: ConnectionCase, random: Random, same: Compare) {
    this.#same = same
    this.#sides = sides
    this.#case = drawn
    this.#random = random.fork('pauses')
    const { family, translates, tracksOnce, tracksCopies, pool } = drawn
    // Of what Open vSwitch does to errors that it translates: conntrack.test.ts.
    const quotes = !translates ? 'any' : family === 4 ? 'long' : 'none'
    const seed = random.uint32()
    this.#pauses = pool === undefined && random.below(2) === 0
    const fragments = !tracksCopies && !this.#pauses
    const options = { quotes, fragments, repeats: tracksOnce, steady: pool !== undefined } as const
    const traffic = () => new Traffic(seeded(seed), family, options)
    this.#traffic = { ours: traffic(), theirs: traffic() }
    this.#choices = { ours: new Choices(pool), theirs: new Choices(pool) }
    this.#story = [...drawn.groups, ...drawn.flows]
  }

  async start(): Promise<void> {
    const { groups, flows, sequenceChecks, limit } = this.#case
    const messages: Message[] = [
      ...groups.map((text) => parseGroupMod(text)),
      ...flows.map((text) => parseFlowMod(text)),
    ]
    const bytes = messages.flatMap((message, index) => encodeOpenFlow({ xid: 100 + index, message }))
    this.#compare(await this.#sides.ask(bytes))
    for (const version of ['v4', 'v6'])
      await this.#sides.command('dpctl/ipf-set-min-frag', version, String(SMALLEST_FRAGMENT))
    await this.#sides.command(sequenceChecks ? 'dpctl/ct-enable-tcp-seq-chk' : 'dpctl/ct-disable-tcp-seq-chk')
    if (limit) await this.#sides.command('dpctl/ct-set-limits', `zone=${limit.zone},limit=${limit.most}`)
  }

  async round(): Promise<void> {
    const ours = this.#traffic.ours.next()
    const theirs = this.#traffic.theirs.next()
    for (const [index, saying] of ours.entries()) {
      const other = theirs[index]
      if (other !== undefined && !(await this.#reopens(saying))) await this.#say({ ours: saying, theirs: other })
    }
    if (!this.#pauses || this.#random.below(8) > 0) return
    const pause = oneOf(this.#random, PAUSES)
    this.#story.push(`${pause} ms later`)
    await this.#sides.elapse(pause)
    await this.#swept()
  }

  /** Open vSwitch has a thread of its own for connections whose time is up; until it has been there, their ports are taken. */
  async #swept(): Promise<void> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const { ours, theirs } = await this.#sides.command('dpctl/ct-get-nconns')
      if (ours.trim() === theirs.trim()) return
      await this.#sides.elapse(100)
    }
  }

  async end(): Promise<void> {
    await this.#sides.elapse(1000)
    const dumped = await this.#sides.command('dpctl/dump-conntrack')
    const lines = { ours: this.#connections('ours', dumped.ours), theirs: this.#connections('theirs', dumped.theirs) }
    this.#same(lines, this.#story)
    count.connections += lines.theirs.length
    if (this.#case.limit) await this.#sides.command('dpctl/ct-del-limits', `zone=${this.#case.limit.zone}`)
  }

  #connections(side: keyof Sides<unknown>, dump: string): string[] {
    const lines = dump.split('\n').filter((line) => line !== '')
    return lines.map((line) => this.#choices[side].rename(line)).sort()
  }

  async #say(saying: Sides<Saying>): Promise<void> {
    const { conversation, side } = saying.ours
    const name = conversation?.number ?? -1
    const port = side === 0 ? 1 : (this.#farPorts.get(name) ?? 2)
    this.#story.push(`in at ${port}: ${hex(saying.ours.bytes)}`)
    const answer = await this.#sides.receiveEach({ ours: saying.ours.bytes, theirs: saying.theirs.bytes }, port)
    this.#compare(answer)
    count.frames++
    count.copies += answer.theirs.copies.length
    count.packetIns += answer.theirs.messages.length
    for (const of of ['ours', 'theirs'] as const)
      for (const copy of answer[of].copies) {
        if (side === 0) this.#farPorts.set(name, Number.parseInt(copy))
        this.#traffic[of].heard(saying[of], Uint8Array.from(Buffer.from(copy.slice(copy.indexOf(' ') + 1), 'hex')))
      }
  }

  #compare({ ours, theirs }: Sides<Answer>): void {
    const expected = this.#choices.theirs.lines(theirs)
    this.#story.push(...expected.map((line) => `  ${line}`))
    this.#same({ ours: this.#choices.ours.lines(ours), theirs: expected }, this.#story)
  }

  /**
   * Whether this may begin a TCP connection anew that is translated, or in a zone with a limit: until the next sweep Open vSwitch
   * takes the old one's port, and its place in the zone, for taken.
   */
  async #reopens({ bytes }: Saying): Promise<boolean> {
    if (!this.#case.translates && this.#case.limit === undefined) return false
    const isV4 = bytes[12] === 0x08
    if (bytes[isV4 ? 23 : 20] !== IpProtocol.Tcp) return false
    const flags = bytes[isV4 ? 47 : 67] ?? 0
    if ((flags & (TcpFlag.Syn | TcpFlag.Ack)) !== TcpFlag.Syn) return false
    const { ours } = await this.#sides.command('dpctl/dump-conntrack')
    return ours.includes('TIME_WAIT')
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
