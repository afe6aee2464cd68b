// Real things on the ports of `signalbox switch run`: kernel stacks on TAPs and veths, socat, and guests of QEMU. Needs root for the namespaces,
// and the Debian packages iproute2, iputils-ping, iperf3, socat, openvswitch-switch (for ovs-ofctl), and those of support/qemu.ts.

import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { seeded } from '../../runtime/random.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { parseWire } from '../../runtime/wires/parse.ts'
import { randomBytes } from '../support/random-frames.ts'
import { AttachedSwitch } from './support/attached-switch.ts'
import { Namespace, namespacesRefused } from './support/namespaces.ts'
import { carried, reached } from './support/network-tools.ts'
import { ANSWERED, Guest, guestsRefused } from './support/qemu.ts'

/** What a test has made, the last first. */
const toClose: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close()
})

async function kept<T>(made: Promise<T>, close: (one: T) => Promise<unknown>): Promise<T> {
  const one = await made
  toClose.push(() => close(one))
  return one
}

const namespace = (purpose: string) => kept(Namespace.create(purpose), (one) => one.remove())
const attached = (options: Parameters<typeof AttachedSwitch.start>[0]) =>
  kept(AttachedSwitch.start(options), (one) => one.stop())
const guest = (options: Parameters<typeof Guest.start>[0]) => kept(Guest.start(options), (one) => one.stop())

/** Sends frames into the wire `from` of the switch, one by one so that none is lost, and gives what has come out of its wire `to`. */
async function crossing({ folder }: AttachedSwitch, frames: readonly Uint8Array[]): Promise<string[]> {
  const received: string[] = []
  const take = (bytes: Uint8Array) => void received.push(Buffer.from(bytes).toString('hex'))
  const [from, to] = await Promise.all(
    ['from', 'to'].map((end) => openWire(parseWire(`stream:unix:${folder}/${end}`), take)),
  )
  await until(() => from!.connected && to!.connected)
  for (const [index, frame] of frames.entries()) {
    expect(from!.send(frame)).toBe(true)
    await until(() => received.length === index + 1)
  }
  await Promise.all([from!.close(), to!.close()])
  return received
}

async function until(holds: () => boolean): Promise<void> {
  for (let wait = 0; wait < 10_000 && !holds(); wait++) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** UDP ports of the loopback that nobody has. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  const ports = sockets.map((socket) => socket.address().port)
  await Promise.all(sockets.map((socket) => once(socket.close(), 'close')))
  return ports
}

const refused = namespacesRefused()
describe.skipIf(refused !== undefined)(`devices of Linux${refused === undefined ? '' : ` (${refused})`}`, () => {
  test('two kernel stacks on TAPs reach each other, and the TAPs go with the switch', async () => {
    const [here, left, right] = [await namespace('sw'), await namespace('l'), await namespace('r')]
    await here.ip('tuntap', 'add', 'tapkept', 'mode', 'tap')
    const taps = ['tap1@1=tap:tap1', 'tap2@2=tap:tap2', 'tap3@3=tap:tap3,mtu=1400', 'kept@4=tap:tapkept']
    const device = await attached({ ports: taps, namespace: here })
    expect(await here.ip('link', 'show', 'tap3')).toMatch(/[<,]UP[,>].* mtu 1400 /)
    await here.ip('link', 'set', 'tap1', 'netns', left.name)
    await here.ip('link', 'set', 'tap2', 'netns', right.name)
    await left.configure('tap1', '192.0.2.1/24', '2001:db8::1/64')
    await right.configure('tap2', '192.0.2.2/24', '2001:db8::2/64')
    await reached(left, '192.0.2.2')
    await reached(left, '2001:db8::2')
    expect(await carried(left, right, '192.0.2.2')).toBeGreaterThan(20e6)
    await right.ip('link', 'set', 'tap2', 'down')
    // That it is down shows when a frame is sent there.
    await left.run('ping', '-c', '1', '-W', '1', '192.0.2.9').catch(() => {})
    await device.linked([2], false)
    await right.ip('link', 'set', 'tap2', 'up')
    await device.linked([1, 2, 3, 4])
    await device.stop()
    expect(await here.ip('-brief', 'link', 'show')).toMatch(/^lo .*\ntapkept .*\n$/)
    expect(await left.ip('-brief', 'link', 'show')).toMatch(/^lo .*\n$/)
  })

  test('no TAP stays behind a switch that was killed, and one that is deleted is made again', async () => {
    const [here, left] = [await namespace('sw'), await namespace('l')]
    const device = await attached({ ports: ['tap1@1=tap:tap1', 'tap2@2=tap:tap2'], namespace: here })
    await here.ip('link', 'set', 'tap1', 'netns', left.name)
    await left.configure('tap1', '192.0.2.1/24', '2001:db8::1/64')
    await here.ip('link', 'delete', 'tap2')
    await device.linked([2], false)
    await device.linked([1, 2])
    await here.configure('tap2', '192.0.2.2/24', '2001:db8::2/64')
    await reached(left, '192.0.2.2')
    const said = await device.stop('SIGKILL')
    expect(said).toContain('tap:tap2: it has been deleted; made again')
    expect(said).toContain('tap:tap2: it is there again')
    expect(await here.ip('-brief', 'link', 'show')).toMatch(/^lo .*\n$/)
  })

  test('an interface that goes and comes back is bound again', async () => {
    const [here, left, right] = [await namespace('sw'), await namespace('l'), await namespace('r')]
    // Of the same address each time: the neighbour would send to the one before for as long as it takes that for reachable, up to 45 s.
    const addPair = async () => {
      const inside = ['name', 'inside', 'address', '02:00:00:00:00:01', 'netns', left.name]
      await here.ip('link', 'add', 'veth1', 'type', 'veth', 'peer', ...inside)
      await here.ip('link', 'set', 'veth1', 'up')
    }
    await addPair()
    await left.configure('inside', '192.0.2.1/24', '2001:db8::1/64')
    const device = await attached({ ports: ['veth1@1=interface:veth1', 'tap1@2=tap:tap1'], namespace: here })
    await here.ip('link', 'set', 'tap1', 'netns', right.name)
    await right.configure('tap1', '192.0.2.2/24', '2001:db8::2/64')
    await reached(right, '192.0.2.1')
    await here.ip('link', 'delete', 'veth1')
    await device.linked([1], false)
    await addPair()
    await left.configure('inside', '192.0.2.1/24', '2001:db8::1/64')
    await device.linked([1, 2])
    await reached(right, '192.0.2.1')
    expect(await device.stop()).toContain('interface:veth1: it is gone')
  })

  test('a name that is taken, and a device that is not there, are refused with a sentence', async () => {
    const here = await namespace('sw')
    const refusal = (wire: string) => attached({ ports: [`p1=${wire}`], namespace: here })
    await expect(refusal('tap:lo')).rejects.toThrow('tap:lo: there is an interface of this name, and it is no TAP')
    await expect(refusal('interface:nowhere0')).rejects.toThrow('nowhere0: there is no interface of this name')
    const words = [
      '--inh-caps=-net_raw,-net_admin',
      '--bounding-set=-net_raw,-net_admin',
      process.execPath,
      '--import',
      'tsx',
      'cli/main.ts',
    ]
    const unprivileged = here.run('setpriv', ...words, 'switch', 'run', '--port', 'p1=interface:lo')
    await expect(unprivileged).rejects.toThrow(/needs root, or CAP_NET_ADMIN/)
  })

  test('two kernel stacks on veths reach each other, long segments and checksums made whole', async () => {
    const [here, left, right] = [await namespace('sw'), await namespace('l'), await namespace('r')]
    for (const [name, peer] of [
      ['veth1', left],
      ['veth2', right],
    ] as const)
      await here.ip('link', 'add', name, 'up', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name)
    const ports = ['left@1=interface:veth1', 'right@2=interface:veth2']
    const device = await attached({ ports, namespace: here })
    // The other ends are down.
    await device.linked([1, 2], false)
    await left.configure('eth0', '192.0.2.1/24', '2001:db8::1/64')
    await right.configure('eth0', '192.0.2.2/24', '2001:db8::2/64')
    await device.linked([1, 2])
    await reached(left, '192.0.2.2')
    expect(await carried(left, right, '192.0.2.2')).toBeGreaterThan(20e6)
    expect(await carried(right, left, '2001:db8::1')).toBeGreaterThan(20e6)
    // Its checksums are left to the card, too.
    expect(await carried(left, right, '192.0.2.2', '--udp', '--bitrate', '20M', '--bytes', '2M')).toBeGreaterThan(1e6)
    // As when a container is started again: another interface of the same name.
    await here.ip('link', 'delete', 'veth2')
    await device.linked([2], false)
    await here.ip('link', 'add', 'veth2', 'up', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', right.name)
    await right.configure('eth0', '192.0.2.3/24')
    await device.linked([2])
    await reached(left, '192.0.2.3')
  })

  test.each([1, 2])('frames that cross a veth come out as they went in, VLAN tags and all (seed %i)', async (seed) => {
    const here = await namespace('sw')
    await here.ip('link', 'add', 'veth1', 'up', 'mtu', '9000', 'type', 'veth', 'peer', 'name', 'veth2')
    await here.ip('link', 'set', 'veth2', 'up', 'mtu', '9000')
    // Nothing but what the test sends.
    for (const name of ['veth1', 'veth2']) await here.run('sysctl', '-qw', `net.ipv6.conf.${name}.disable_ipv6=1`)
    const ends = ['out@1=interface:veth1', 'in@2=interface:veth2']
    const ports = [...ends, 'from@3=stream:punix:FOLDER/from', 'to@4=stream:punix:FOLDER/to']
    const flows = ['in_port=3,actions=output:1', 'in_port=2,actions=output:4']
    const device = await attached({ ports, flows, namespace: here })
    await device.linked([1, 2])
    const random = seeded(seed)
    const frames = Array.from({ length: 100 }, (_, index) => {
      const frame = Buffer.from(randomBytes(random, 60 + random.below(index % 10 === 0 ? 8000 : 1400)))
      frame[0]! &= 0xfe
      const tags = [[0x88b5], [0x8100], [0x88a8], [0x88a8, 0x8100]][index % 4]!
      tags.forEach((type, at) => frame.writeUInt16BE(type, 12 + 4 * at))
      if (tags[0] !== 0x88b5) frame.writeUInt16BE(0x88b5, 12 + 4 * tags.length)
      return frame
    })
    expect(await crossing(device, frames)).toEqual(frames.map((frame) => frame.toString('hex')))
  })
})

test.each([1, 2])('socat carries frames between wires of all kinds of socket, whole (seed %i)', async (seed) => {
  const random = seeded(seed)
  const [a, b, socatA, socatB, tcp] = await freePorts(5)
  const device = await attached({
    ports: [
      'from@1=stream:punix:FOLDER/from',
      `a@2=dgram:127.0.0.1:${a},127.0.0.1:${socatA}`,
      `b@3=dgram:127.0.0.1:${b},127.0.0.1:${socatB}`,
      'c@4=stream:punix:FOLDER/c',
      `d@5=stream:tcp:127.0.0.1:${tcp}`,
      'to@6=stream:punix:FOLDER/to',
    ],
    flows: ['in_port=1,actions=output:2', 'in_port=3,actions=output:4', 'in_port=5,actions=output:6'],
  })
  for (const [left, right] of [
    [`UDP4:127.0.0.1:${a},bind=127.0.0.1:${socatA}`, `UDP4:127.0.0.1:${b},bind=127.0.0.1:${socatB}`],
    [`TCP4-LISTEN:${tcp},bind=127.0.0.1`, `UNIX-CONNECT:${device.folder}/c`],
  ] as const) {
    const socat = spawn('socat', [left, right])
    toClose.push(async () => socat.kill())
  }
  await device.linked([4, 5])
  const frames = Array.from({ length: 100 }, () => Buffer.from(randomBytes(random, 14 + random.below(1500))))
  expect(await crossing(device, frames)).toEqual(frames.map((frame) => frame.toString('hex')))
})

const noGuests = guestsRefused()
describe.skipIf(noGuests !== undefined)(`guests of QEMU${noGuests === undefined ? '' : ` (${noGuests})`}`, () => {
  test('ping each other, one on datagrams and one on a stream, and move by live migration', async () => {
    const [here, there] = await freePorts(2)
    const ports = [
      `web@1=dgram:127.0.0.1:${here},127.0.0.1:${there}`,
      'db@2=stream:ptcp:0:127.0.0.1',
      'moved@3=stream:punix:FOLDER/moved',
    ]
    const device = await attached({ ports })
    const tcpPort = /ptcp:(\d+)/.exec(device.wires[1]!)?.[1]
    const [inet, unix] = ['local.type=inet,local.host=127.0.0.1', `addr.type=unix,addr.path=${device.folder}/moved`]
    const web = await guest({
      netdev: `dgram,${inet},local.port=${there},remote.type=inet,remote.host=127.0.0.1,remote.port=${here}`,
      mac: '02:00:00:00:00:01',
    })
    const db = await guest({
      netdev: `stream,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=${tcpPort}`,
      mac: '02:00:00:00:00:02',
    })
    await device.linked([1, 2])
    await device.linked([3], false)
    await web.run('ip address add 192.0.2.1/24 dev eth0 && ip link set eth0 up')
    await db.run('ip address add 192.0.2.2/24 dev eth0 && ip link set eth0 up')
    expect(await web.run('ping -c 3 192.0.2.2')).toMatch(ANSWERED)
    expect(await db.run('ping -c 3 -s 1400 192.0.2.1')).toMatch(ANSWERED)
    const incoming = `unix:${device.folder}/migration`
    const moved = await guest({ netdev: `stream,server=off,${unix}`, mac: '02:00:00:00:00:02', incoming })
    await db.migrate(incoming)
    await db.stop()
    await device.linked([2], false)
    await device.linked([3])
    expect(await moved.run('ip address show dev eth0')).toContain('192.0.2.2/24')
    expect(await moved.run('ping -c 3 192.0.2.1')).toMatch(ANSWERED)
    expect(await web.run('ping -c 3 192.0.2.2')).toMatch(ANSWERED)
  })
})
