import { describe, expect, test } from 'vitest'
import { deliverFrames, forgetFrames, heldFrames } from '../../datapath/control/handlers/held-frames.ts'
import { PortTable } from '../../datapath/ports.ts'
import { vlanPolicy } from '../../datapath/vlan-modes.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { HeldFrame, PortConfig } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { SAMPLE_FRAMES } from '../support/frames.ts'
import { flowMod, portConfig, testSwitch } from '../support/test-switch.ts'

const numbered = (number: number) => Buffer.alloc(60, number)
const line = (port: number, number: number) => `${port}: ${numbered(number).toString('hex')}`

/** Everything that comes in at port 1 goes out of port 2, the guest's. */
function guestSwitch(guest: Partial<PortConfig> = {}) {
  const made = testSwitch([{}, { type: 'vnic', tag: 5, ...guest }])
  made.sw.tables.applyBundle([
    flowMod({ instructions: { apply: [{ type: 'output', port: 2 }], clear: false, write: [] } }),
  ])
  return made
}

const kept = (origin: string, sequence: number, number: number): HeldFrame => ({
  id: 0n,
  bytes: numbered(number),
  origin,
  sequence,
})

/** What the guest's port says that it keeps, as of another switch. */
const told = ({ sw }: ReturnType<typeof guestSwitch>): HeldFrame[] =>
  [...heldFrames(sw, { type: 'heldFramesRequest', port: 'p2', after: 0 })].flatMap(({ frames }) =>
    frames.map((frame) => ({ ...frame, origin: 'elsewhere' })),
  )

describe('numbers', () => {
  test('the table chooses free ones, and the local port has its own', () => {
    const { ports } = testSwitch([{ number: 2, name: 'two' }]).sw
    const add = (name: string, type: PortConfig['type'] = 'uplink') => ports.add(portConfig({ name, type })).number
    expect([add('a'), add('b'), add('br', 'local'), add('c')]).toEqual([1, 3, ReservedPort.Local, 4])
    expect([...ports].map(({ name }) => name)).toEqual(['a', 'two', 'b', 'c', 'br'])
  })

  test.each<[string, Partial<PortConfig>, string, string]>([
    ['a name twice', { name: 'p1' }, 'port_exists', 'port.name'],
    ['a number twice', { number: 1, name: 'x' }, 'port_exists', 'port.number'],
    ['a reserved number', { number: 0xff00, name: 'x' }, 'OFPBRC_BAD_PORT', 'port.number'],
    ['a tunnel to nowhere', { name: 'x', type: 'tunnel' }, 'OFPBRC_BAD_PORT', 'port.tunnel'],
  ])('%s is refused', (_name, config, code, field) => {
    const { ports } = testSwitch([{}]).sw
    const attempt = () => ports.add(portConfig(config))
    expect(attempt).toThrow(Refused)
    expect(attempt).toThrow(expect.objectContaining({ code, field }))
    expect(ports.size).toBe(1)
  })
})

describe('a port', () => {
  test('that is closed takes and gives nothing', () => {
    const { sw, receive } = guestSwitch({ state: 'closed' })
    expect(receive(numbered(1), 1)).toEqual(['drop inactive_binding at 2'])
    expect(receive(numbered(1), 2)).toEqual(['drop inactive_binding at 2'])
    expect(sw.ports.statistics()[1]).toMatchObject({ receivedDropped: 1n, sentDropped: 1n, sentPackets: 0n })
  })

  test('that has seen its guest and is told to wait for it again lets it in, under the policy that it is told', () => {
    const { sw, receive } = guestSwitch({ state: 'hold', activation: ['rarp', 'garp'], mtu: 1500 })
    receive(SAMPLE_FRAMES['rarp']!, 2)
    sw.ports.modify({
      ...portConfig({ name: 'p2', type: 'vnic' }),
      state: 'hold',
      activation: ['rarp'],
      tag: 6,
      mtu: 900,
    })
    const { config, vlan } = sw.ports.byName('p2')!
    expect(config).toMatchObject({ number: 2, state: 'keep', activation: ['rarp'], tag: 6, mtu: 900 })
    expect(vlan).toEqual(vlanPolicy(config))
    sw.ports.modify({ ...config, state: 'hold', activation: ['na'] })
    expect(sw.ports.byName('p2')!.config).toMatchObject({ state: 'hold', activation: ['na'] })
  })

  test('that holds keeps what goes out, in order, until it opens; what comes in is dropped', () => {
    const { sw, receive, heard, arena } = guestSwitch({ state: 'hold' })
    for (const number of [1, 2, 3]) expect(receive(numbered(number), 1)).toEqual([])
    expect(receive(numbered(9), 2)).toEqual(['drop inactive_binding at 2'])
    expect(sw.ports.statistics()[1]!.held).toBe(3)
    expect(sw.ports.heldFrames()).toHaveLength(3)
    sw.ports.setState('p2', 'open')
    expect(heard()).toEqual([line(2, 1), line(2, 2), line(2, 3)])
    expect(receive(numbered(4), 1)).toEqual([line(2, 4)])
    expect(arena.live).toBe(0)
  })

  test('sends what another switch held ahead of what it holds', () => {
    const source = guestSwitch({ state: 'hold' })
    source.receive(numbered(1), 1)
    source.receive(numbered(2), 1)
    const moved = told(source)
    expect(moved.map(({ bytes }) => bytes[0])).toEqual([1, 2])

    const { sw, arena, receive, heard } = guestSwitch({ state: 'hold' })
    receive(numbered(3), 1)
    const deliver = (frames: HeldFrame[]) => deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames, upTo: 0 })
    deliver(moved)
    deliver(moved)
    expect(heard()).toEqual([])
    sw.ports.setState('p2', 'open')
    deliver([...moved, kept('elsewhere', 3, 4)])
    expect(heard()).toEqual([line(2, 1), line(2, 2), line(2, 3), line(2, 4)])
    expect(arena.live).toBe(0)
  })

  test('that closes or goes drops what it held', () => {
    for (const end of ['close', 'remove'] as const) {
      const { sw, receive, heard, arena } = guestSwitch({ state: 'hold' })
      receive(numbered(1), 1)
      if (end === 'close') sw.ports.setState('p2', 'closed')
      else sw.ports.remove('p2')
      expect(heard()).toEqual([end === 'close' ? 'drop inactive_binding at 2' : 'drop unknown_port at 2'])
      expect(arena.live).toBe(0)
    }
  })

  test('whose link is down takes and gives nothing', () => {
    const { sw, receive, messages } = guestSwitch()
    sw.ports.setLink('p2', false)
    expect(receive(numbered(1), 1)).toEqual(['drop link_down at 2'])
    expect(receive(numbered(1), 2)).toEqual(['drop link_down at 2'])
    expect(messages.at(-1)).toMatchObject({ type: 'portStatus', reason: 'modify', port: { name: 'p2', linkUp: false } })
  })

  test('keeps what it holds while its link is down, for whoever comes', () => {
    const { sw, receive, heard } = guestSwitch({ state: 'hold' })
    sw.ports.setLink('p2', false)
    expect(receive(numbered(1), 1)).toEqual([])
    sw.ports.setLink('p2', true)
    sw.ports.setState('p2', 'open')
    expect(heard()).toEqual([line(2, 1)])
  })

  test('lets through what fits its MTU: the payload behind the tags', () => {
    const { receive } = guestSwitch({ mtu: 46 })
    expect(receive(numbered(1), 1)).toEqual([line(2, 1)])
    expect(receive(Buffer.alloc(61, 1), 1)).toEqual(['drop mtu_exceeded at 2'])
    const tagged = (length: number) => Buffer.from(`${'01'.repeat(12)}810000050800${'00'.repeat(length)}`, 'hex')
    expect(receive(tagged(46), 1)).toEqual([`2: ${tagged(46).toString('hex')}`])
    expect(receive(tagged(47), 1)).toEqual(['drop mtu_exceeded at 2'])
  })

  test('counts what passes', () => {
    const { sw, receive } = guestSwitch()
    receive(numbered(1), 1)
    receive(Buffer.alloc(100), 1)
    expect(sw.ports.statistics()).toMatchObject([
      { name: 'p1', receivedPackets: 2n, receivedBytes: 160n, sentPackets: 0n },
      { name: 'p2', receivedPackets: 0n, sentPackets: 2n, sentBytes: 160n },
    ])
  })
})

describe('a port that holds', () => {
  test('keeps so many bytes, a short frame counted as the shortest of Ethernet', () => {
    const arena = new FrameArena()
    const nothing = () => {}
    const events = { changed: nothing, transmit: nothing, discard: nothing, lost: nothing }
    const holds = (bytes: number, length: number) => {
      const ports = new PortTable({ arena, clock: new VirtualClock(), events })
      const port = ports.add(portConfig({ name: 'x', state: 'hold', hold: { bytes, time: 1e9 } }))
      return [1, 2, 3].map((number) => ports.hold(port, arena.allocateFrom(Buffer.alloc(length, number))))
    }
    expect(holds(199, 100)).toEqual([true, false, false])
    expect(holds(200, 100)).toEqual([true, true, false])
    expect(holds(128, 20)).toEqual([true, true, false])
  })

  test('keeps each for so long, and drops it under a name then', async () => {
    const { receive, heard, clock, arena } = guestSwitch({ state: 'hold', hold: { bytes: 1e6, time: 1e9 } })
    for (const number of [1, 2, 3]) {
      receive(numbered(number), 1)
      await clock.run(number * 4e8)
    }
    expect(heard()).toEqual(['drop hold_overflow at 2'])
    await clock.run(5e9)
    expect([heard(), arena.live, clock.next]).toEqual([Array(2).fill('drop hold_overflow at 2'), 0, Infinity])
  })

  test('drops the oldest first, also behind younger ones of another switch', async () => {
    const { sw, receive, heard, clock } = guestSwitch({ state: 'hold', hold: { bytes: 1e6, time: 1e9 } })
    for (const number of [1, 2]) {
      receive(numbered(number), 1)
      await clock.run(number * 3e8)
    }
    const [first, second] = sw.ports.byName('p2')!.held.kept()
    const own = [first!, second!].map(({ sequence }) => ({ ...kept(sw.name, sequence, 0), bytes: new Uint8Array() }))
    const frames = [kept('elsewhere', 1, 9), ...own]
    deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames, upTo: 0 })
    await clock.run(1.4e9)
    expect(heard()).toEqual(Array(2).fill('drop hold_overflow at 2'))
  })

  test('puts its own among those of another switch where it is told to, and forgets those that are copies', () => {
    const { sw, receive, heard, arena } = guestSwitch({ state: 'hold' })
    for (const number of [2, 4, 6]) receive(numbered(number), 1)
    const own = (sequence: number): HeldFrame => ({ ...kept(sw.name, sequence, 0), bytes: new Uint8Array() })
    const frames = [kept('elsewhere', 1, 1), own(1), kept('elsewhere', 2, 3)]
    for (const port of ['p2', 'p2']) deliverFrames(sw, { type: 'deliverFrames', port, frames, upTo: 2 })
    receive(numbered(7), 1)
    sw.ports.setState('p2', 'open')
    deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames, upTo: 2 })
    expect(heard()).toEqual([1, 2, 3, 6, 7].map((number) => line(2, number)))
    expect(arena.live).toBe(0)
  })

  test('forgets what is somewhere else, and nothing that came since', () => {
    const { sw, receive, heard, arena } = guestSwitch({ state: 'hold' })
    for (const number of [1, 2, 3]) receive(numbered(number), 1)
    deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames: [kept('elsewhere', 1, 9)], upTo: 0 })
    forgetFrames(sw, { type: 'forgetFrames', port: 'p2', upTo: 2 })
    sw.ports.setState('p2', 'open')
    expect([heard(), arena.live]).toEqual([[line(2, 3)], 0])
  })

  test('takes frames anew in its next move, whatever their numbers', () => {
    const { sw, heard } = guestSwitch({ state: 'hold' })
    const deliver = (number: number) =>
      deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames: [kept('elsewhere', 1, number)], upTo: 0 })
    deliver(1)
    for (const state of ['open', 'hold'] as const) sw.ports.setState('p2', state)
    deliver(2)
    sw.ports.setState('p2', 'open')
    expect(heard()).toEqual([line(2, 1), line(2, 2)])
  })
})

describe('what waits in a shaped port', () => {
  const slow = { maxRate: 480, burst: 0 }

  test('leaves in order at the rate, and stays in order when the port holds and opens', async () => {
    const { sw, receive, heard, clock } = guestSwitch(slow)
    for (const number of [1, 2, 3, 4]) receive(numbered(number), 1)
    expect(sw.ports.heldFrames()).toHaveLength(3)
    await clock.run(1_000_000_000)
    expect(heard()).toEqual([line(2, 2)])
    sw.ports.setState('p2', 'hold')
    receive(numbered(5), 1)
    expect(sw.ports.statistics()[1]!.held).toBe(3)
    sw.ports.setState('p2', 'open')
    await clock.run(10_000_000_000)
    expect(heard()).toEqual([3, 4, 5].map((number) => line(2, number)))
  })

  test('is dropped by name when the port closes or goes', () => {
    const closed = guestSwitch(slow)
    for (const number of [1, 2]) closed.receive(numbered(number), 1)
    closed.sw.ports.setState('p2', 'closed')
    expect(closed.heard()).toEqual(['drop inactive_binding at 2'])
    const gone = guestSwitch(slow)
    for (const number of [1, 2]) gone.receive(numbered(number), 1)
    gone.sw.ports.remove('p2')
    expect(gone.heard()).toEqual(['drop unknown_port at 2'])
  })

  test('comes after what was kept elsewhere before', async () => {
    const { sw, receive, heard, clock } = guestSwitch(slow)
    for (const number of [1, 4]) receive(numbered(number), 1)
    const frames = [2, 3].map((number) => kept('elsewhere', number, number))
    deliverFrames(sw, { type: 'deliverFrames', port: 'p2', frames, upTo: 0 })
    await clock.run(10_000_000_000)
    expect(heard()).toEqual([2, 3, 4].map((number) => line(2, number)))
  })

  test('keeps its turn and its level when the rate changes', async () => {
    const { sw, receive, heard, clock } = guestSwitch(slow)
    for (const number of [1, 2, 3]) receive(numbered(number), 1)
    sw.ports.modify({ ...sw.ports.byName('p2')!.config, maxRate: 960 })
    expect(heard()).toEqual([])
    await clock.run(500_000_000)
    expect(heard()).toEqual([line(2, 2)])
    const { maxRate: _rate, ...free } = sw.ports.byName('p2')!.config
    sw.ports.modify(free)
    expect(heard()).toEqual([line(2, 3)])
    expect(receive(numbered(4), 1)).toEqual([line(2, 4)])
  })
})

test('frames in a tunnel wait in the queues of the uplink, and end with the tunnel', async () => {
  const { sw, receive, heard, clock } = testSwitch([
    { type: 'vnic' },
    { type: 'uplink', maxRate: 8000 },
    { type: 'tunnel', tunnel: { localIp: 1, remoteIp: 2, key: 7 } },
  ])
  sw.tables.applyBundle([
    flowMod({
      match: [{ field: 'in_port', value: 1n }],
      instructions: { apply: [3, 2].map((port) => ({ type: 'output', port })), clear: false, write: [] },
    }),
  ])
  expect(receive(Buffer.alloc(950, 1), 1).map((text) => text.slice(0, 2))).toEqual(['3:'])
  expect(sw.ports.shaping.timeToEmptyUplink).toBe(1_950_000_000)
  await clock.run(1_000_000_000)
  expect(heard().map((text) => text.slice(0, 2))).toEqual(['2:'])
  expect(sw.ports.shaping.timeToEmptyUplink).toBe(0)
  receive(Buffer.alloc(950, 1), 1)
  sw.ports.remove('p3')
  await clock.run(9_000_000_000)
  expect(heard()).toEqual(expect.arrayContaining(['drop unknown_port']))
})
