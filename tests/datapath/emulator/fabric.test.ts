import { describe, expect, test } from 'vitest'
import { Agenda } from '../../../datapath/emulator/agenda.ts'
import { Fabric } from '../../../datapath/emulator/fabric.ts'
import { Trail } from '../../../datapath/emulator/trail.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Topology } from '../../../topologies/topology.ts'

const BROADCAST = 0xffffffffffffn
const macOf = (host: number) => 0x020000000000n + BigInt(host)

function running(
  shape: string,
  options: Parameters<typeof shapeTopology>[1] = {},
  change: (topology: Topology) => Topology = (topology) => topology,
) {
  const topology = change(shapeTopology(shape, options))
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const trail = new Trail(arena)
  const heard: { host: string; path: string }[] = []
  const drops: string[] = []
  const fabric = new Fabric(
    topology,
    { clock, arena, trail, random: seeded(1), agenda: new Agenda(clock) },
    {
      receive(host, frames, count) {
        for (const frame of Array.from(frames).slice(0, count)) {
          heard.push({
            host,
            path: trail
              .of(frame)
              .map(({ node }) => node)
              .join(' '),
          })
          arena.release(frame)
        }
      },
      stirred: () => {},
      drop: (_frame, reason) => drops.push(reason),
    },
  )
  /** Sends one frame and gives what was heard of it. */
  const send = async (from: number, to: bigint, port = 1) => {
    heard.length = drops.length = 0
    const bytes = udpFrame({ ethSrc: macOf(from), ethDst: to, ipSrc: from, ipDst: 9, srcPort: port, dstPort: 9 })
    fabric.send(`h${from}`, arena.allocateFrom(bytes))
    await clock.run(clock.now() + 1e9)
    expect(arena.live).toBe(0)
    return heard.map(({ host }) => host).sort()
  }
  return { topology, clock, fabric, heard, drops, send }
}

describe.each(['single,5', 'linear,5', 'tree,2,3', 'leaf-spine,3,5'])('%s', (shape) => {
  test('a broadcast reaches every other host once', async () => {
    const { topology, send } = running(shape)
    const others = topology.hosts.map(({ name }) => name).filter((name) => name !== 'h1')
    expect(await send(1, BROADCAST)).toEqual(others.sort())
  })

  test('a learned address is sent to its host alone', async () => {
    const { send } = running(shape)
    await send(2, BROADCAST)
    expect(await send(1, macOf(2))).toEqual(['h2'])
  })
})

test('an address that moved is found behind its new host after it has spoken there', async () => {
  const { send } = running('leaf-spine,2,4')
  await send(2, BROADCAST)
  await send(3, BROADCAST)
  expect(await send(1, macOf(2))).toEqual(['h2'])
})

test('where it is laid anew, its switches know who is behind the hosts that have stayed', async () => {
  const before = running('leaf-spine,2,4')
  await before.send(2, BROADCAST)
  await before.send(3, BROADCAST)
  // The second host has gone, and another number is the third's.
  const after = running('leaf-spine,2,4', {}, ({ hosts, fabric, ...rest }) => ({
    ...rest,
    hosts: hosts.filter(({ name }) => name !== 'h2'),
    fabric: { ...fabric, links: fabric.links.filter(({ endpoints }) => !endpoints.includes('h2')) },
  }))
  after.fabric.learnFrom(before.fabric)
  expect(await after.send(1, macOf(3))).toEqual(['h3'])
  expect(await after.send(1, macOf(2))).toEqual(['h3', 'h4'])
})

test('flows are shared out over equal paths, and each keeps to one', async () => {
  const { heard, send } = running('leaf-spine,4,2')
  await send(2, BROADCAST)
  const paths = new Set<string>()
  for (let port = 0; port < 64; port++) {
    await send(1, macOf(2), port)
    const [first] = heard
    await send(1, macOf(2), port)
    expect(heard[0]).toEqual(first)
    paths.add(first!.path)
  }
  expect(paths.size).toBe(4)
})

test('a failed link is gone around, and is an error by name where there is no way around', async () => {
  const { fabric, drops, send } = running('leaf-spine,2,2')
  await send(2, BROADCAST)
  expect(fabric.fail('leaf1', 'spine1')).toBe(true)
  expect(await send(1, macOf(2))).toEqual(['h2'])
  expect(await send(1, BROADCAST)).toEqual(['h2'])
  fabric.fail('leaf1', 'spine2')
  expect(await send(1, macOf(2))).toEqual([])
  expect(drops).toEqual(['no_route'])
  expect(await send(1, BROADCAST)).toEqual([])
  expect(drops).toEqual(['no_route', 'no_recipient'])
  fabric.heal('leaf1', 'spine2')
  expect(await send(1, macOf(2))).toEqual(['h2'])
  expect(fabric.fail('leaf1', 'nowhere')).toBe(false)
})

test('a broadcast that some hosts can not be reached by is reported, once, and comes to the others', async () => {
  const { fabric, drops, send } = running('linear,4')
  expect(await send(2, BROADCAST)).toEqual(['h1', 'h3', 'h4'])
  expect(drops).toEqual([])
  fabric.fail('s3', 's4')
  expect(await send(2, BROADCAST)).toEqual(['h1', 'h3'])
  expect(drops).toEqual(['no_route'])
  fabric.fail('h1', 's1')
  expect(await send(2, BROADCAST)).toEqual(['h3'])
  expect(drops.filter((reason) => reason === 'no_route')).toEqual(['no_route'])
  expect(await send(1, BROADCAST)).toEqual([])
  expect(drops).toEqual(['link_down'])
  fabric.heal('h1', 's1')
  fabric.heal('s3', 's4')
  expect(await send(2, BROADCAST)).toEqual(['h1', 'h3', 'h4'])
  expect(drops).toEqual([])
})

test.each([
  ['linear,4', 's3', 's4'],
  ['leaf-spine,2,4', 'leaf3', 'spine1'],
])('in %s, a failure under a broadcast on its way loses no host without a word', async (shape, a, b) => {
  const unexplained: number[] = []
  for (let at = 0; at < 60_000; at += 5000) {
    const { topology, fabric, clock, drops, send } = running(shape, { link: { delay: '10us' } })
    clock.schedule(at, () => fabric.fail(a, b))
    const heard = await send(1, BROADCAST)
    const missed = heard.length < topology.hosts.length - 1
    if (missed && !drops.some((reason) => reason === 'link_down' || reason === 'no_route')) unexplained.push(at)
  }
  expect(unexplained).toEqual([])
})
