// What a plan says of connections is held against the switches: all that were there are tried again once the change is made.

import { afterEach, expect, test, vi } from 'vitest'
import { SwitchRefused } from '../../controller/model.ts'
import { RemoteSwitch } from '../../controller/southbound/remote-switch.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { icmpEchoFrame, tcpFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { MILLISECOND, sleep } from '../../runtime/clock.ts'
import { type Random, seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'
import { oneOf } from '../support/frames.ts'
import { withSecurityGroups } from '../support/random-security-groups.ts'
import { parseTopology } from '../../topologies/load.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const VMS = 5
const CONVERSATIONS = 40

/** Everything is allowed, by a group that all have. */
function open(random: Random): Topology {
  const vms = Array.from({ length: VMS }, (_, index) => ({
    name: `vm${index}`,
    host: oneOf(random, ['h1', 'h2']),
    nics: [
      {
        name: 'eth0',
        network: 'blue',
        addresses: [`10.0.0.${index + 1}`],
        policy: { ...(random.below(8) > 0 && { securityGroups: ['all'] }) },
      },
    ],
  }))
  const all = { onRuleRemoval: random.below(4) === 0 ? 'keep' : 'cut' }
  const rules = [{ direction: 'ingress' }, { direction: 'egress' }]
  const hosts = ['h1', 'h2'].map((name, index) => ({ name, vtep: `192.0.2.${index + 1}` }))
  const networks = [{ name: 'blue', type: 'vxlan', segment: 10 }]
  const securityGroups = [{ name: 'all', ...all, rules }]
  return parseTopology(JSON.stringify({ version: 1, name: 'x', hosts, networks, securityGroups, vms }), 'x')
}

interface Conversation {
  ends: [Nic, Nic]
  protocol: 'udp' | 'icmp' | 'tcp'
  ports: [number, number]
  answered: boolean
}

function converse(random: Random, { vms }: Topology, index: number): Conversation {
  const [first, apart] = [random.below(VMS), 1 + random.below(VMS - 1)]
  const [a, b] = [first, (first + apart) % VMS].map((at) => vms[at]!.nics[0]!)
  const ports: [number, number] = [2000 + index, oneOf(random, [22, 79, 80, 443])]
  return {
    ends: [a!, b!],
    protocol: oneOf(random, ['udp', 'udp', 'icmp', 'tcp']),
    ports,
    answered: random.below(2) > 0,
  }
}

/** What `side` says; frames of one side of a conversation are told apart by nobody. */
function frameOf({ ends, protocol, ports }: Conversation, side: 0 | 1, isFirst: boolean): Uint8Array {
  const [from, to] = [ends[side], ends[1 - side]!]
  const addresses = {
    ethSrc: parseMac(from.mac),
    ethDst: parseMac(to.mac),
    ipSrc: parseIpv4(from.addresses[0]!),
    ipDst: parseIpv4(to.addresses[0]!),
  }
  if (protocol === 'icmp') return icmpEchoFrame({ ...addresses, reply: side === 1, identifier: ports[0], sequence: 1 })
  const sent = { ...addresses, srcPort: ports[side]!, dstPort: ports[1 - side]! }
  if (protocol === 'udp') return udpFrame(sent)
  const { Syn, Ack } = TcpFlag
  const flags = isFirst ? (side === 0 ? Syn : Syn | Ack) : Ack
  return tcpFrame({ ...sent, flags, sequence: isFirst ? 99 : 100, acknowledgement: 100, window: 8000 })
}

/** What nobody tracks yet can not be counted. */
const unfilteredAsBefore = (wanted: Topology, { vms }: Topology): Topology => ({
  ...wanted,
  vms: wanted.vms.map((vm, index) => (vms[index]!.nics[0]!.policy.securityGroups === undefined ? vms[index]! : vm)),
})

/** Among them one where a vNIC is not filtered any more, and one where nothing looks at connections that were to be kept. */
const SEEDS = [1, 2, 10, 13]

test('as many connections are cut as the plan says, and as the change tells afterwards', async () => {
  let [cutInAll, goingOn] = [0, 0]
  for (const seed of SEEDS) {
    const random = seeded(seed)
    const clock = new VirtualClock()
    let heard: string[] = []
    const observer = {
      heard: (_at: number, nic: string, _id: number, bytes: Uint8Array) => void heard.push(`${nic} ${String(bytes)}`),
    }
    const topology = open(random)
    const lab = await clock.runUntil(Lab.start(topology, { clock, seed, observer }))
    const say = async (one: Conversation, side: 0 | 1, isFirst = false): Promise<boolean> => {
      heard = []
      const bytes = frameOf(one, side, isFirst)
      lab.inject(one.ends[side].id, bytes, 'test')
      await sleep(clock, MILLISECOND)
      return heard.includes(`${one.ends[1 - side]!.id} ${String(bytes)}`)
    }
    const work = async () => {
      const all = Array.from({ length: CONVERSATIONS }, (_, index) => converse(random, topology, index))
      for (const one of all) {
        // One that is kept, and waits for its answer, is as good as cut for who has opened it, and not for the other.
        const isAnswered =
          one.answered || one.protocol === 'tcp' || topology.securityGroups[0]!.onRuleRemoval === 'keep'
        expect(await say(one, 0, true)).toBe(true)
        expect(!isAnswered || (await say(one, 1, true))).toBe(true)
      }
      const wanted = unfilteredAsBefore(withSecurityGroups(random, topology), topology)
      const { connections } = await lab.controller.topologies.plan(wanted)
      await lab.apply(async (_running, { prepare }) => {
        await prepare(wanted)
        return wanted
      })
      let cut = 0
      for (const one of all) {
        const isTracked = one.ends.some(({ policy }) => policy.securityGroups !== undefined)
        const there = await say(one, 0)
        const back = await say(one, 1)
        if (isTracked && !(there && back)) cut++
        else goingOn++
      }
      expect(connections, `seed ${seed}`).toEqual({ cut, unknown: [] })
      expect(lab.controller.topologies.change).toMatchObject({ state: 'done', connections: { cut } })
      cutInAll += cut
    }
    await clock.runUntil(work())
  }
  expect(Math.min(cutInAll, goingOn)).toBeGreaterThan(50)
})

/** `a` and the first sub-port of the trunk `b` are on blue; `others` are VMs of blue at the same host as `a`. */
const withTrunk = (others: number, securityGroups: string[]) => {
  const policy = { securityGroups, portSecurity: false }
  const nic = (index: number) => ({ name: 'eth0', network: 'blue', addresses: [`10.0.0.${index}`], policy })
  const b = { name: 'eth0', trunks: [{ tag: 7, network: 'blue' }], mac: '02:00:00:00:00:0b', policy }
  const rules = [{ direction: 'ingress' }, { direction: 'egress' }]
  return parseTopology(
    JSON.stringify({
      version: 1,
      name: 'x',
      hosts: ['h1', 'h2'].map((name, index) => ({ name, vtep: `192.0.2.${index + 1}` })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      securityGroups: [
        { name: 'all', rules },
        { name: 'none', rules: [] },
      ],
      vms: [
        { name: 'a', host: 'h1', nics: [{ ...nic(1), mac: '02:00:00:00:00:0a' }] },
        { name: 'b', host: 'h2', nics: [b] },
        ...Array.from({ length: others }, (_, index) => ({ name: `o${index}`, host: 'h1', nics: [nic(9 + index)] })),
      ],
    }),
    'x',
  )
}

async function startWithTrunk(others = 0) {
  const clock = new VirtualClock()
  const lab = await clock.runUntil(Lab.start(withTrunk(others, ['all']), { clock, seed: 1 }))
  return { clock, lab, closed: withTrunk(others, ['none']) }
}

test('a connection of an access port with one behind a tag is one', async () => {
  const { clock, lab, closed } = await startWithTrunk()
  const [ethSrc, ethDst] = [0x02000000000an, 0x02000000000bn]
  const [ipSrc, ipDst] = ['10.0.0.1', '10.0.0.2'].map((text) => parseIpv4(text))
  lab.inject('a:eth0', udpFrame({ ethSrc, ethDst, ipSrc: ipSrc!, ipDst: ipDst!, srcPort: 1, dstPort: 2 }), 'test')
  await clock.run(clock.now() + 10 * MILLISECOND)
  const asked = vi.spyOn(RemoteSwitch.prototype, 'vnicState')
  const { connections } = await clock.runUntil(lab.controller.topologies.plan(closed))
  const found = await Promise.all(asked.mock.results.map(async ({ value }) => (await value).connections.length))
  // Both ends have it.
  expect(found).toEqual([1, 1])
  expect(connections).toEqual({ cut: 1, unknown: [] })
})

test('what is outdated is not counted for; of a switch some vNICs are asked for at a time', async () => {
  const { clock, lab, closed } = await startWithTrunk(40)
  const told = RemoteSwitch.prototype.vnicState
  let [now, most, all] = [0, 0, 0]
  vi.spyOn(RemoteSwitch.prototype, 'vnicState').mockImplementation(async function (this: RemoteSwitch, ...asked) {
    most = Math.max(most, ++now)
    all++
    return told.apply(this, asked).finally(() => now--)
  })
  const apply = (plan?: string) =>
    lab.apply(async (_running, { prepare }) => {
      await prepare(closed, plan)
      return closed
    })
  await expect(clock.runUntil(apply('0123456789abcdef.0123456789abcdef'))).rejects.toThrow('another topology')
  expect(all).toBe(0)
  await clock.runUntil(apply())
  expect(all).toBe(42)
  // Of the one host, and one vNIC of the other.
  expect(most).toBe(16 + 1)
})

test('a switch that refuses is named, a fault of ours is none of its', async () => {
  const { clock, lab, closed } = await startWithTrunk()
  const asked = vi.spyOn(RemoteSwitch.prototype, 'vnicState')
  asked.mockRejectedValue(new SwitchRefused('h1/br-int', 'bad request', '', 'no'))
  const { connections } = await clock.runUntil(lab.controller.topologies.plan(closed))
  expect(connections).toEqual({ cut: 0, unknown: ['h1/br-int', 'h2/br-int'] })
  asked.mockRejectedValue(new TypeError('ours'))
  await expect(clock.runUntil(lab.controller.topologies.plan(closed))).rejects.toThrow('ours')
})
