// Queues under contention, as Open vSwitch has the kernel's linux-htb serve them and as our scheduler does: over seconds everybody gets
// the same. To repeat one,
//
//   npx vitest run --project peers tests/peers/htb.test.ts -t '(seed 3)'
//
// Needs root for a namespace, a kernel with sch_htb, python3, and the Debian packages iproute2 and openvswitch-switch.

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { QueueConfig } from '../../protocols/control/messages.ts'
import { parseFlowMod } from '../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { IP_1, IP_2, MAC_1, MAC_2, oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'
import { testSwitch } from '../support/test-switch.ts'
import { Namespace, namespacesRefused } from './support/namespaces.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const SATURATE = fileURLToPath(new URL('support/saturate.py', import.meta.url))
const DEVICE = 'queued'
const BRIDGE = 'shaped'
/** Bits. What Open vSwitch has of itself, a frame or so, a queue of the kernel's with a maximum can hardly make use of. */
const BURST = 100_000
const WARM_UP = 500
const MEASURED = 2500
/** Bits a second of the port. */
const RATE = 8_000_000
const UNIT = RATE / 20
/** Of what is carried. A real clock, and a machine that does other things as well. */
const TOLERANCE = 0.03

interface Contender {
  config: QueueConfig
  /** Octets of its frames. */
  size: number
}

const refused = namespacesRefused() ?? (ovsInstalled() ? undefined : 'needs openvswitch-switch')
describe.skipIf(refused !== undefined)(`beside linux-htb${refused === undefined ? '' : ` (${refused})`}`, () => {
  let namespace: Namespace
  let ovs: Ovs
  beforeAll(async () => {
    namespace = await Namespace.create('htb')
    await namespace.ip('link', 'add', 'name', DEVICE, 'type', 'veth', 'peer', 'name', 'other')
    for (const device of [DEVICE, 'other']) await namespace.configure(device)
    ovs = await startOvs(namespace.name)
    await ovs.vsctl('add-br', BRIDGE, '--', 'set', 'bridge', BRIDGE, 'datapath_type=netdev', 'fail_mode=secure')
    await ovs.vsctl('add-port', BRIDGE, DEVICE)
  })
  afterAll(async () => {
    await ovs?.stop()
    await namespace?.remove()
  })

  /** Octets that each class has sent so far. */
  async function sent(): Promise<Map<string, number>> {
    const text = await namespace.run('tc', '-s', 'class', 'show', 'dev', DEVICE)
    const classes = text.matchAll(/class htb (\S+) (?:.*\n)*? Sent (\d+) bytes/g)
    return new Map(Array.from(classes, ([, id, octets]) => [id!, Number(octets)] as const))
  }

  /** What each has of the rate. */
  async function theirs(contenders: readonly Contender[]): Promise<number[]> {
    await ovs.vsctl(
      '--',
      '--all',
      'destroy',
      'queue',
      '--',
      '--all',
      'destroy',
      'qos',
      '--',
      'clear',
      'port',
      DEVICE,
      'qos',
    )
    await ovs.vsctl(...qosWords(contenders))
    const minors = contenders.map(({ config }) => config.queue + 1)
    const words = contenders.map(({ size }, index) => `${minors[index]}:${size}`)
    const sender = namespace.converse('python3', SATURATE, DEVICE, ...words)
    await pause(WARM_UP)
    const before = await sent()
    const began = performance.now()
    await pause(MEASURED)
    const seconds = (performance.now() - began) / 1000
    const after = await sent()
    sender.kill()
    return minors.map((minor) => ((after.get(`1:${minor}`)! - before.get(`1:${minor}`)!) * 8) / (RATE * seconds))
  }

  test.each(seeds(5))('shares are the same (seed %i)', async (seed) => {
    const random = seeded(seed)
    const contenders = randomContenders(random)
    const [here, there] = [await ours(contenders), await theirs(contenders)]
    const story = JSON.stringify({ contenders, here, there })
    expect(Math.abs(total(here) - 1), story).toBeLessThan(0.01)
    // Timers that are late cost the kernel some of the rate, for the port's own burst is short: so it is the shares that are compared.
    expect(total(there), story).toBeLessThan(1.05)
    const apart = here.map((share, index) => Math.abs(share / total(here) - there[index]! / total(there)))
    expect(Math.max(...apart), story).toBeLessThan(TOLERANCE)
  })
})

const total = (octets: readonly number[]) => octets.reduce((sum, one) => sum + one, 0)
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

function qosWords(contenders: readonly Contender[]): string[] {
  const named = contenders.map(({ config: { queue } }) => `queues:${queue}=@q${queue}`)
  const queues = contenders.map(({ config: { queue, minRate, maxRate, priority } }) =>
    [
      `-- --id=@q${queue} create queue other-config:min-rate=${minRate} other-config:burst=${BURST}`,
      maxRate === undefined ? '' : `other-config:max-rate=${maxRate}`,
      priority === undefined ? '' : `other-config:priority=${priority}`,
    ].join(' '),
  )
  const port = `-- set port ${DEVICE} qos=@qos -- --id=@qos create qos type=linux-htb other-config:max-rate=${RATE}`
  return [port, ...named, ...queues]
    .join(' ')
    .split(/ +/)
    .filter((word) => word !== '')
}

/** Minima fit, and each is more than the quantum of one frame. */
function randomContenders(random: Random): Contender[] {
  const count = 2 + random.below(3)
  const withPriorities = random.below(2) === 0
  return Array.from({ length: count }, (_, index) => ({
    config: {
      queue: index + 1,
      minRate: UNIT * (2 + random.below(Math.floor(RATE / UNIT / count) - 2)),
      ...(random.below(3) === 0 && { maxRate: UNIT * (8 + random.below(12)), burst: BURST }),
      ...(withPriorities && { priority: random.below(3) }),
    },
    size: oneOf(random, [1200, 1200, 600, 300]),
  }))
}

/** The same of a port of ours, on a virtual clock. */
async function ours(contenders: readonly Contender[]): Promise<number[]> {
  const queues = contenders.map(({ config }) => config)
  const { sw, clock, receive, heard } = testSwitch([{}, { queues, maxRate: RATE }])
  sw.tables.applyBundle(
    queues.map(({ queue }) => parseFlowMod(`in_port=1,udp,tp_dst=${queue},actions=set_queue:${queue},output:2`)),
  )
  const frames = contenders.map(({ config: { queue }, size }) =>
    udpFrame({
      ethSrc: MAC_1,
      ethDst: MAC_2,
      ipSrc: IP_1,
      ipDst: IP_2,
      srcPort: 1,
      dstPort: queue,
      payload: new Uint8Array(size - 42),
    }),
  )
  const octets = contenders.map(() => 0)
  const until = async (end: number) => {
    while (clock.now() < end) {
      for (const frame of frames) for (let more = 0; more < 100; more++) receive(frame, 1)
      await clock.run(clock.now() + 10 * MILLISECOND)
      for (const line of heard()) note(line)
    }
  }
  const note = (line: string) => {
    if (!line.startsWith('2: ')) return
    const bytes = Buffer.from(line.slice(3), 'hex')
    octets[bytes.readUInt16BE(36) - 1]! += bytes.length
  }
  await until(SECOND / 2)
  octets.fill(0)
  await until(3 * SECOND)
  return octets.map((one) => (one * 8) / (RATE * 2.5))
}
