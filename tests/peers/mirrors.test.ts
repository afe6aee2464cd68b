// A mirror as our flows make it, beside Open vSwitch's own: two bridges of a real Open vSwitch have the plan for one host. One has the flows of a
// mirror too, the other a `create mirror` of the same ports. They are sent the same frames, and the same copies come out. To repeat one,
//
//   npx vitest run --project peers tests/peers/mirrors.test.ts -t 'seed 17'
//
// Needs the Debian package openvswitch-switch; nobody need be root.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildView } from '../../controller/network/build-view.ts'
import { bareIntent } from '../../controller/network/intent.ts'
import { NO_ASSIGNMENTS } from '../../controller/network/view.ts'
import { compile } from '../../controller/reconcile/compile.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { arpRequest, udpFrame } from '../../protocols/packet/compose.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Mirror, Topology } from '../../topologies/topology.ts'
import { seeds } from '../support/seeds.ts'
import { GrowingCapture } from './support/growing-capture.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const FRAMES = 60

const GUESTS = ['a', 'b', 'c', 'd'] as const
type Guest = (typeof GUESTS)[number]
const BRIDGES = ['flows', 'native'] as const
/** Behind those of uplink and tunnel. */
const FIRST_PORT = 3
const TAP = FIRST_PORT + GUESTS.length
const portOf = (guest: Guest) => FIRST_PORT + GUESTS.indexOf(guest)
const macOf = (guest: Guest) => `02:00:00:00:00:0${portOf(guest)}`
const addressOf = (guest: Guest) => `10.0.0.${portOf(guest)}`
const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** `a`, `b` and `c` are on blue, `c` and `d` on green: `c` by a tag. `ids` hears the copies. */
function oneHost(mirrors: object[]): Topology {
  const vm = (guest: Guest, network: string, more = {}) => ({
    name: guest,
    host: 'h1',
    nics: [{ name: 'eth0', network, mac: macOf(guest), addresses: [addressOf(guest)], ...more }],
  })
  const topology = {
    version: 1,
    hosts: [{ name: 'h1', vtep: '192.0.2.1' }],
    networks: [
      { name: 'blue', type: 'vlan', segment: 10 },
      { name: 'green', type: 'vlan', segment: 20 },
    ],
    vms: [
      vm('a', 'blue'),
      vm('b', 'blue'),
      vm('c', 'blue', { trunks: [{ tag: 77, network: 'green', addresses: [addressOf('c')] }] }),
      vm('d', 'green'),
      { name: 'ids', host: 'h1', nics: [{ name: 'tap' }] },
    ],
    mirrors,
  }
  return parseTopology(JSON.stringify(topology), 'one-host.json')
}

function flowsOf(topology: Topology): string[] {
  const numbers = new Map<string, number>([
    ...GUESTS.map((guest): [string, number] => [`${guest}:eth0`, portOf(guest)]),
    ['ids:tap', TAP],
  ])
  const intent = bareIntent(topology)
  const view = buildView(intent, undefined, { ...NO_ASSIGNMENTS, portNumbers: new Map([['h1/br-int', numbers]]) })
  return [...compile(view.switches.get('h1/br-int')!, view).flows.values()].map((flow) => printFlow(flow))
}

/** What a guest says: to one whom it knows, to all, to nobody that is there; now and then with a tag, or as somebody else. */
function randomFrame(random: Random): { from: Guest; frame: Uint8Array } {
  const [from, to] = [pick(random, GUESTS), pick(random, GUESTS)]
  const ethSrc = parseMac(random.below(8) === 0 ? '02:00:00:00:00:99' : macOf(from))
  const [ipSrc, ipDst] = [parseIpv4(addressOf(from)), parseIpv4(addressOf(to))]
  const asked = random.below(2) === 0 ? ipDst : parseIpv4('10.0.0.99')
  const ethDst = parseMac(pick(random, [macOf(to), macOf(to), 'ff:ff:ff:ff:ff:ff', '02:00:00:00:00:98']))
  const plain =
    random.below(4) === 0
      ? arpRequest({ ethSrc, ethDst, ipSrc, ipDst: asked })
      : udpFrame({
          ethSrc,
          ethDst,
          ipSrc,
          ipDst,
          srcPort: 1000 + random.below(1000),
          dstPort: 53,
          payload: new Uint8Array(30),
        })
  return { from, frame: random.below(3) === 0 ? withTag(plain, pick(random, [77, 77, 78])) : plain }
}

const withTag = (frame: Uint8Array, tag: number) =>
  Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, tag >> 8, tag & 0xff, ...frame.subarray(12)])

describe.runIf(ovsInstalled())("mirrors beside Open vSwitch's own", () => {
  let ovs: Ovs
  const taps: Record<string, GrowingCapture> = {}
  beforeAll(async () => {
    ovs = await startOvs()
    // It keeps no answer for a later frame: flows and mirrors change.
    await ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:vlan-limit=0', 'other_config:flow-limit=0')
    for (const bridge of BRIDGES) {
      await ovs.addBridge(bridge)
      for (let port = 1; port <= TAP; port++) {
        const sent = await ovs.addPort(bridge, `${bridge}${port}`, port)
        if (port === TAP) taps[bridge] = new GrowingCapture(sent)
      }
    }
  })
  afterAll(async () => {
    for (const tap of Object.values(taps)) tap.close()
    await ovs?.stop()
  })

  const load = async (bridge: string, flows: string[]) => {
    const file = join(ovs.directory, `${bridge}.flows`)
    writeFileSync(file, flows.map((flow) => `${flow}\n`).join(''))
    await ovs.ofctl('-O', 'OpenFlow15', 'del-flows', ovs.bridge(bridge))
    await ovs.ofctl('-O', 'OpenFlow15', '--bundle', 'add-flows', ovs.bridge(bridge), file)
  }

  const createMirror = async (guests: readonly Guest[], direction: Mirror['direction']) => {
    const ports = guests.map((guest) => `@${guest}`).join(',')
    const words = [
      ['clear', 'bridge', 'native', 'mirrors'],
      ...guests.map((guest) => ['--', `--id=@${guest}`, 'get', 'port', `native${portOf(guest)}`]),
      ['--', '--id=@out', 'get', 'port', `native${TAP}`, '--', '--id=@m', 'create', 'mirror', 'name=m'],
      direction === 'to-lport' ? [] : [`select_src_port=${ports}`],
      direction === 'from-lport' ? [] : [`select_dst_port=${ports}`],
      ['output-port=@out', '--', 'set', 'bridge', 'native', 'mirrors=@m'],
    ]
    await ovs.vsctl(...words.flat())
  }

  /** What has come out of the tap. */
  const copies = (bridge: string) => taps[bridge]!.read().map((frame) => Buffer.from(frame).toString('hex'))

  const cases = seeds(3).flatMap((seed) =>
    (['from-lport', 'to-lport', 'both'] as const).map((direction) => [direction, seed] as const),
  )
  test.each(cases)('a vNIC is copied as there, %s (seed %i)', async (direction, seed) => {
    const random = seeded(seed)
    const source = pick(random, GUESTS)
    const target = { port: 'ids', segment: 9000 }
    await load('flows', flowsOf(oneHost([{ name: 'm', source: { port: source }, direction, target }])))
    await load('native', flowsOf(oneHost([{ name: 'm', source: { port: 'd' }, direction, target }])).filter(isPlan))
    await createMirror([source], direction)
    await ovs.appctl('revalidator/purge')
    const said = Array.from({ length: FRAMES }, () => randomFrame(random))
    for (const { from, frame } of said)
      for (const bridge of BRIDGES) await ovs.receive(`${bridge}${portOf(from)}`, frame)
    const [flows, native] = [copies('flows'), copies('native')]
    expect(native.length).toBeGreaterThan(0)
    expect({ source, copies: flows }).toEqual({ source, copies: native })
  })
})

/** Of no mirror. */
const isPlan = (flow: string) => !flow.includes('cookie=0x5b5b0c')
