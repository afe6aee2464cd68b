// Replays by chance: a capture on a network with slow, shaky, lossy links, and all kinds of things that happen meanwhile.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { PcapWriter } from '../../protocols/capture/pcap-writer.ts'
import { PcapngWriter } from '../../protocols/capture/pcapng-writer.ts'
import { arpRequest, icmpEchoFrame, tcpFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { MICROSECOND, MILLISECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Scenario, Step, TimelineEntry } from '../../topologies/scenario.ts'
import { shapeTopology } from '../../topologies/shapes.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'

const FRAMES = 1000
const SPAN = 20 * MILLISECOND

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!
const chance = (random: Random, probability: number) => random.fraction() < probability

/** Writes its captures into `folder`. */
export function randomScenario(random: Random, folder: string): Scenario {
  /** All frames are honest, to one guest each, and no policy holds any back. */
  const isQuiet = chance(random, 0.7)
  const topology = randomNetwork(random, isQuiet)
  const captures = ['first.pcap', 'second.pcapng'].slice(0, 1 + random.below(2))
  const timeline: TimelineEntry[] = captures.map((capture) => {
    writeFileSync(join(folder, capture), randomCapture(random, topology, isQuiet, capture.endsWith('ng')))
    const step: Step = { type: 'replay', capture, map: 'source-mac', speed: pick(random, [1, 1, 3]) }
    return { at: random.below(5) * MICROSECOND, step }
  })
  const steps = Array.from({ length: random.below(6) }, () => randomSteps(random, topology))
  return {
    name: 'random',
    topology,
    folder,
    seed: random.uint32(),
    timeline: [...timeline, ...steps.flat()],
    expect: [],
  }
}

function randomNetwork(random: Random, isQuiet: boolean): Topology {
  const shape = pick(random, ['single,3', 'linear,3', 'tree,2,2', 'leaf-spine,2,3'])
  const topology = shapeTopology(shape, {
    vmsPerHost: 2,
    networks: 1 + random.below(2),
    type: pick(random, ['vlan', 'vxlan']),
  })
  /** Links do nothing but take their time, if they take any. */
  const isPlain = chance(random, 0.4)
  for (const link of topology.fabric.links) {
    if (chance(random, 0.5)) link.delay = random.below(50) * MICROSECOND
    if (isPlain) continue
    if (chance(random, 0.3)) link.jitter = random.below(20_000)
    if (chance(random, 0.3)) link.bandwidth = 1e8 + random.below(1e9)
    if (chance(random, 0.2)) link.loss = random.fraction() / 10
    if (chance(random, 0.2)) link.queue = 5 + random.below(20)
  }
  for (const { nics } of topology.vms) if (!isQuiet && chance(random, 0.2)) nics[0]!.policy.egressRate = 1e7
  return topology
}

/** Some links and uplinks get queues, and some networks shared limits. */
export function addQueues(random: Random, { hosts, fabric, networks }: Topology): void {
  const queue = (dscps: number[], strict = false) => ({ dscps, strict, weight: 1 + random.below(5), limit: 20 })
  for (const link of fabric.links)
    if (link.bandwidth !== undefined && chance(random, 0.5)) link.queues = [queue([0], chance(random, 0.5)), queue([])]
  for (const host of hosts) if (chance(random, 0.2)) host.uplink = { rate: 5e7, queues: [queue([46], true)] }
  for (const network of networks)
    if (chance(random, 0.3)) network.qos = { ingressRate: 3e7, ingressBurst: 3e5, egressRate: 4e7, egressBurst: 2e5 }
}

function randomCapture(random: Random, topology: Topology, isQuiet: boolean, isPcapng: boolean): Uint8Array {
  const parts: Uint8Array[] = []
  const sink = (bytes: Uint8Array) => void parts.push(bytes.slice())
  const pcapng = isPcapng ? new PcapngWriter(sink, { application: 'tests' }) : undefined
  const pcap = isPcapng ? undefined : new PcapWriter(sink)
  const id = pcapng?.addInterface('any')
  const kinds: Uint8Array[] = []
  let at = 1_700_000_000_000_000_000n
  for (let frame = 0; frame < FRAMES; frame++) {
    // Often at the same instant, sometimes in haste, sometimes before the one ahead of it.
    if (chance(random, 0.7)) at += BigInt(random.below((2 * SPAN) / FRAMES) - (chance(random, 0.05) ? SPAN / 100 : 0))
    // Mostly one like others before.
    if (kinds.length < 5 || chance(random, isQuiet ? 0.01 : 0.1)) kinds.push(randomFrame(random, topology, isQuiet))
    const bytes = pick(random, kinds)
    pcapng?.write(id!, at, bytes)
    pcap?.write(at, bytes)
  }
  return Buffer.concat(parts)
}

function randomFrame(random: Random, topology: Topology, isQuiet: boolean): Uint8Array {
  const nics = topology.vms.flatMap((vm) => vm.nics)
  const from = pick(random, nics)
  const to = pick(random, isQuiet ? nics.filter(({ id }) => id !== from.id) : nics)
  const unless = (probability: number) => !isQuiet && chance(random, probability)
  if (unless(0.02)) return Uint8Array.from({ length: random.below(20) }, () => random.below(256))
  if (unless(0.1)) return arpRequest({ ethSrc: parseMac(from.mac), ipSrc: ipOf(from), ipDst: ipOf(to) })
  const ethDst = unless(0.1) ? 0xffffffffffffn : parseMac(to.mac)
  const ip = { ethSrc: parseMac(from.mac), ethDst, ipSrc: ipOf(unless(0.05) ? to : from), ipDst: ipOf(to) }
  const payload = new Uint8Array(random.below(chance(random, 0.1) ? 1600 : 100))
  const ports = { srcPort: random.below(4), dstPort: 9, payload }
  if (unless(0.1)) return icmpEchoFrame({ ...ip, identifier: 1, sequence: 1 })
  return chance(random, 0.5) ? udpFrame({ ...ip, ...ports }) : tcpFrame({ ...ip, ...ports })
}

const ipOf = (nic: Nic) => parseIpv4(nic.addresses[0]!)

/** One thing that happens, and what ends it again. */
function randomSteps(random: Random, topology: Topology): TimelineEntry[] {
  const at = random.below(SPAN)
  const { links } = topology.fabric
  const vms = topology.vms.map(({ name }) => name)
  const later = (step: Step): TimelineEntry => ({ at: at + random.below(SPAN / 2), step })
  switch (random.below(5)) {
    case 0: {
      const target = { kind: 'link' as const, endpoints: pick(random, links).endpoints }
      return [{ at, step: { type: 'fail', target } }, later({ type: 'heal', target })]
    }
    case 1: {
      const target = { kind: 'host' as const, host: pick(random, topology.hosts).name }
      return [{ at, step: { type: 'fail', target } }, later({ type: 'heal', target })]
    }
    case 2:
      return [{ at, step: { type: 'ping', from: pick(random, vms), to: pick(random, vms), count: 2, interval: 1000 } }]
    case 3: {
      const frame = `udp,dl_dst=${pick(random, topology.vms).nics[0]!.mac},tp_dst=7`
      return [{ at, step: { type: 'send', from: pick(random, vms), frame, count: 20, rate: 100_000 } }]
    }
    default: {
      const to = pick(random, topology.hosts).name
      return [{ at, step: { type: 'migrate', vm: pick(random, vms), to, pause: random.below(2 * MILLISECOND) } }]
    }
  }
}
