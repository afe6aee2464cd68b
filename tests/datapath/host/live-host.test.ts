// Hosts as processes would run them, with a controller between them, over real sockets: what guests at their wires hear.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildServer } from '../../../controller/api/server.ts'
import { parseIpv4, parseMac } from '../../../protocols/address.ts'
import { arpRequest, udpFrame } from '../../../protocols/packet/compose.ts'
import type { LiveGuest } from '../../support/live-network.ts'
import { LiveNetwork, twoHosts, until } from '../../support/live-network.ts'

let network: LiveNetwork
beforeEach(async () => {
  network = await LiveNetwork.start()
})
afterEach(() => network.stop())

const ADDRESSES: Record<string, { mac: bigint; ip: number }> = Object.fromEntries(
  twoHosts().vms.map(({ name, nics: [nic] }) => [name, { mac: parseMac(nic!.mac), ip: parseIpv4(nic!.addresses[0]!) }]),
)

function datagram(from: string, to: string, size = 30, mark = 0): Uint8Array {
  const [source, destination] = [ADDRESSES[from]!, ADDRESSES[to]!]
  const payload = new Uint8Array(size).fill(mark)
  return udpFrame({
    ethSrc: source.mac,
    ethDst: destination.mac,
    ipSrc: source.ip,
    ipDst: destination.ip,
    srcPort: 1000,
    dstPort: 2000,
    payload,
  })
}

const guest = (vm: string): LiveGuest => network.guests.get(`${vm}:eth0`)!

const heardBy = (vm: string) => guest(vm).heard.map((frame) => Buffer.from(frame).toString('hex'))
const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex')

test('frames cross between hosts by VXLAN and by VLAN, whole, and reach nobody else', async () => {
  guest('a').send(datagram('a', 'b'))
  guest('d').send(datagram('d', 'c'))
  await until(() => guest('b').heard.length > 0 && guest('c').heard.length > 0)
  expect(heardBy('b')).toEqual([hex(datagram('a', 'b'))])
  expect(heardBy('c')).toEqual([hex(datagram('d', 'c'))])
  // A name that nobody of green has is asked for in all of green, and a guest of blue hears nothing of it.
  const question = arpRequest({
    ethSrc: ADDRESSES['a']!.mac,
    ipSrc: ADDRESSES['a']!.ip,
    ipDst: parseIpv4('10.1.0.99'),
  })
  guest('a').send(question)
  await until(() => guest('b').heard.length > 1)
  expect(heardBy('b')[1]).toBe(hex(question))
  expect([heardBy('a'), heardBy('d'), heardBy('c').length]).toEqual([[], [], 1])
})

test('without a controller everything goes on; a newer one takes over, and loses nothing that is on its way', async () => {
  const sent: string[] = []
  const send = () => {
    const frame = datagram('a', 'b', 30, sent.length % 251)
    sent.push(hex(frame))
    guest('a').send(frame)
  }
  const stream = setInterval(send, 1)
  await until(() => guest('b').heard.length > 20)
  await network.stopController()
  const before = guest('b').heard.length
  await until(() => guest('b').heard.length > before + 20)
  await network.startController(2n)
  await network.settled()
  await until(() => guest('b').heard.length > before + 60)
  clearInterval(stream)
  await until(() => guest('b').heard.length === sent.length)
  expect(heardBy('b')).toEqual(sent)
})

test('a controller of an older generation is told that it is not in charge', async () => {
  await network.stopController()
  await network.startController(0n)
  // Whoever is asked first says so: the host, or one of its switches.
  const said = /generation 1 is in charge, not one of 0|follows another controller, of a later start/
  await until(() => network.log.some((line) => said.test(line)))
  guest('a').send(datagram('a', 'b'))
  await until(() => guest('b').heard.length > 0)
  expect(heardBy('b')).toEqual([hex(datagram('a', 'b'))])
})

test('a host that the topology does not know waits until it does', async () => {
  await network.startHost('h3')
  await until(() => network.log.some((line) => line.includes("no host 'h3'")))
  const { hosts, ...rest } = twoHosts()
  await network.controller.apply({ ...rest, hosts: [...hosts, { ...hosts[0]!, name: 'h3', vtep: '127.0.2.3' }] })
  await until(() => network.controller.switches().some(({ name, connected }) => name === 'h3/br-int' && connected))
  await network.settled()
  expect(network.controller.hostProcess('h3')).toMatchObject({ wires: [] })
})

test('a wire that can not be had is refused, with the reason, and the one before stays', async () => {
  const missing = network.controller.attach('a', 'stream:punix:/nowhere/at/all')
  await expect(missing).rejects.toThrow(/h1 can not join a:eth0 to stream:punix:\/nowhere\/at\/all: .+/)
  await network.joined('a:eth0', 'h1')
  guest('a').send(datagram('a', 'b'))
  await until(() => guest('b').heard.length > 0)
})

const portOf = (vnic: string) =>
  network.controller.switches().flatMap(({ ports }) => ports.filter(({ name }) => name === vnic))[0]!
const wireOf = (vnic: string, host: string) =>
  network.controller.hostProcess(host)?.wires.find((wire) => wire.vnic === vnic)

test('a port has a link for as long as somebody is at its wire, and the controller is told', async () => {
  expect(['a:eth0', 'b:eth0', 'uplink'].map((name) => portOf(name).linkUp)).toEqual([true, true, true])
  await guest('b').close()
  await until(() => !portOf('b:eth0').linkUp)
  expect(wireOf('b:eth0', 'h2')).toMatchObject({ made: true, connected: false, problem: 'the other end has gone' })
  const sent = async () => (await network.controller.portStatistics('h2')).find(({ name }) => name === 'b:eth0')!
  guest('a').send(datagram('a', 'b'))
  let dropped = 0n
  while (dropped === 0n) dropped = (await sent()).sentDropped
  expect((await sent()).sentPackets).toBe(0n)
  await network.stopController()
  await network.startController(2n)
  await network.settled()
  // A controller that comes later learns of it as well.
  expect(portOf('b:eth0').linkUp).toBe(false)
  const again = await network.join('b:eth0', 'h2')
  await until(() => portOf('b:eth0').linkUp)
  expect(wireOf('b:eth0', 'h2')).toMatchObject({ connected: true, problem: '' })
  guest('a').send(datagram('a', 'b', 30, 7))
  await until(() => again.heard.length > 0)
  expect(again.heard.map(hex)).toEqual([hex(datagram('a', 'b', 30, 7))])
  await network.controller.detach('b:eth0')
  await until(() => !portOf('b:eth0').linkUp)
})

test('a wire to a place where nobody is says so, and is no reason to refuse it', async () => {
  await network.controller.attach('a', 'stream:tcp:127.0.0.1:1')
  await until(() => wireOf('a:eth0', 'h1')?.problem.includes('ECONNREFUSED') === true)
  expect([portOf('a:eth0').linkUp, wireOf('a:eth0', 'h1')?.made]).toEqual([false, true])
})

test('what does not fit the network between hosts is dropped, and what just fits is not', async () => {
  // 1500 less IPv4, UDP, VXLAN and the inner Ethernet header leave 1450 bytes of inner IP packet.
  const longest = 1450 - 28
  guest('a').send(datagram('a', 'b', longest + 1))
  guest('a').send(datagram('a', 'b', longest))
  await until(() => guest('b').heard.length > 0)
  expect(heardBy('b')).toEqual([hex(datagram('a', 'b', longest))])
  expect(network.log).toContain('h1: frames dropped: 1 mtu_exceeded')
})

test('a VM that moves is reached at its new host, and its old wire falls silent', async () => {
  expect(() => network.controller.migrate({ vm: 'b', to: 'h1' })).toThrow(/b:eth0 is joined to nothing at h1; first: /)
  const moved = await network.join('b:eth0', 'h1')
  const { id } = network.controller.migrate({ vm: 'b', to: 'h1' })
  expect(await network.controller.migrationDone(id)).toMatchObject({ state: 'done', policy: 'identical' })
  await network.joined('b:eth0', 'h1')
  guest('a').send(datagram('a', 'b'))
  await until(() => moved.heard.length > 0)
  moved.send(datagram('b', 'a'))
  await until(() => guest('a').heard.length > 0)
  expect([moved.heard.map(hex), heardBy('b')]).toEqual([[hex(datagram('a', 'b'))], []])
})

test('a VM stays where it is when its destination can not have its wire', async () => {
  await network.controller.attach('b:eth0', 'stream:punix:/nowhere/at/all', 'h1')
  const { id } = network.controller.migrate({ vm: 'b', to: 'h1' })
  const ended = await network.controller.migrationDone(id)
  expect(ended.state).toBe('aborted')
  expect(ended.problem).toMatch(/h1 can not join b:eth0 to stream:punix:\/nowhere\/at\/all: .+/)
  guest('a').send(datagram('a', 'b'))
  await until(() => guest('b').heard.length > 0)
})

test('a VM stays where it is when its destination loses its wire while it moves', async () => {
  const moved = await network.join('b:eth0', 'h1')
  network.onGuest = async (told) => {
    if (told === 'resume') return
    await network.joined('b:eth0', 'h1')
    await moved.close()
    await until(() => wireOf('b:eth0', 'h1')?.connected === false)
  }
  const { id } = network.controller.migrate({ vm: 'b', to: 'h1' })
  expect(await network.controller.migrationDone(id)).toMatchObject({
    state: 'aborted',
    problem: expect.stringMatching(/^h1 has lost stream:punix:.*, to which b:eth0 is joined: the other end/) as string,
  })
  guest('a').send(datagram('a', 'b'))
  await until(() => guest('b').heard.length > 0)
})

test('a wire that goes when there is no way back any more is told by the move, and by the VM', async () => {
  const moved = await network.join('b:eth0', 'h1')
  network.onGuest = async (told) => {
    if (told === 'pause') return
    await network.joined('b:eth0', 'h1')
    await moved.close()
    await until(() => wireOf('b:eth0', 'h1')?.connected === false)
  }
  const { id } = network.controller.migrate({ vm: 'b', to: 'h1' })
  expect(await network.controller.migrationDone(id)).toMatchObject({
    state: 'done',
    problem: expect.stringContaining('h1 has lost stream:punix:') as string,
  })
  const { nics } = network.controller.vms().find(({ name }) => name === 'b')!
  expect(nics[0]!.problem).toMatch(/^stream:punix:.*: the other end/)
  const api = await buildServer(network.controller)
  const { body } = await api.inject({ url: '/metrics' })
  await api.close()
  expect(body).toMatch(/^signalbox_wire_up\{port="b:eth0",host="h1",wire="[^"]*"\} 0$/m)
  expect(body).toMatch(/^signalbox_wire_up\{port="a:eth0",host="h1",wire="[^"]*"\} 1$/m)
})

test('a host that starts anew gets its flows back, and then its vNICs', async () => {
  await network.stopHost('h2')
  await until(() => network.controller.switches().some(({ connected }) => !connected))
  await network.startHost('h2')
  await network.settled()
  await network.joined('b:eth0', 'h2')
  guest('b').send(datagram('b', 'a'))
  await until(() => guest('a').heard.length > 0)
  expect(heardBy('a')).toEqual([hex(datagram('b', 'a'))])
})
