// Guests of QEMU on two `signalbox host` processes: `signalbox vm migrate` moves one to and fro together with its network, and lets it in by
// each of the frames that QEMU and Linux send of themselves after a move; then the power of its host is cut, and it begins anew at the
// other. Needs root for the namespaces, and the Debian packages iproute2 and those of support/qemu.ts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MigrationStatus, RelocationStatus } from '../../controller/model.ts'
import { GREEN_MTU, GUESTS, type HostName, LiveSite, type SiteTopology, until } from './support/live-site.ts'
import { namespacesRefused } from './support/namespaces.ts'
import type { GuestOptions } from './support/qemu.ts'
import { ANSWERED, Guest, guestsRefused } from './support/qemu.ts'

/** UDP ports of the loopback in a host's own namespace: of the host's end of the wire, and of QEMU's. */
const PORTS = { a: [7001, 7002], b: [7003, 7004] } as const

/** TCP ports of b: its group lets others open the first alone. */
const [OPEN, CLOSED] = [8001, 8002]

const rules = [
  { direction: 'egress' },
  { direction: 'ingress', protocol: 'icmp' },
  { direction: 'ingress', protocol: 'tcp', portRangeMin: OPEN },
]

/** With a group for b, and a on h2 as well. */
const amend = (topology: SiteTopology) => ({
  ...topology,
  securityGroups: [{ name: 'few', rules }],
  vms: topology.vms.map((vm) => {
    if (vm.name === 'a') return { ...vm, host: 'h2' }
    if (vm.name !== 'b') return vm
    return { ...vm, nics: vm.nics.map((nic) => ({ ...nic, policy: { securityGroups: ['few'] } })) }
  }),
})

/** The VM in QEMU, at a host where it is or will be. */
async function guestAt(
  site: LiveSite,
  vm: 'a' | 'b',
  host: HostName,
  more: Pick<GuestOptions, 'incoming' | 'waits'> = {},
): Promise<Guest> {
  const [ours, its] = PORTS[vm]
  await site.attach(vm, host, `dgram:127.0.0.1:${ours},127.0.0.1:${its}`)
  const ends = { 'local.type': 'inet', 'local.host': '127.0.0.1', 'local.port': its }
  const netdev = { ...ends, 'remote.type': 'inet', 'remote.host': '127.0.0.1', 'remote.port': ours }
  return Guest.start({
    netdev: ['dgram', ...Object.entries(netdev).map(([name, value]) => `${name}=${value}`)].join(),
    mac: GUESTS[vm].mac,
    namespace: site.namespace(host),
    ...more,
  })
}

const setUp = (guest: Guest, vm: 'a' | 'b') =>
  guest.run(`ip address add ${GUESTS[vm].address}/24 dev eth0 && ip link set eth0 mtu ${GREEN_MTU} up`)

/** Segments that its TCP has sent again. */
async function sentAgain(guest: Guest): Promise<number> {
  const rows = (await guest.run('grep ^Tcp: /proc/net/snmp')).split('\n').map((row) => row.split(' '))
  return Number(rows[1]![rows[0]!.indexOf('RetransSegs')])
}

/** Whole numbers in their order over one connection, each in the file with the seconds since the boot of the receiver. */
async function startStream(from: Guest, to: Guest, address: string): Promise<void> {
  const stamped = 'while read -r number; do read -r time rest < /proc/uptime; echo $number $time; done'
  // Where there is nothing more to say, nc ends soon.
  await to.run(`sleep 1000000 | nc -l -p 7000 | (${stamped}) > /received 2> /dev/null &`)
  await until(async () => (await to.run('netstat -ltn')).includes(':7000 '))
  const count = 'i=0; while true; do echo $i; i=$((i + 1)); sleep 0.02; done'
  await from.run(`(${count}) | nc ${address} 7000 > /dev/null 2>&1 &`)
}

const howMany = async (receiver: Guest) => Number(await receiver.run('wc -l < /received'))

/** Whether somebody who listens there could be spoken with. */
async function opens(from: Guest, to: Guest, port: number): Promise<boolean> {
  await to.run(`nc -l -p ${port} < /dev/null > /dev/null 2>&1 & until netstat -ltn | grep -q ':${port} '; do :; done`)
  return from.run(`nc -w 3 ${GUESTS.b.address} ${port} < /dev/null`).then(
    () => true,
    () => false,
  )
}

const refused = namespacesRefused() ?? guestsRefused()
describe.skipIf(refused !== undefined)(`guests of QEMU${refused === undefined ? '' : ` (${refused})`}`, () => {
  let site: LiveSite
  const guests: Guest[] = []
  let [a, b]: Guest[] = []
  /** Where b is. */
  let place: HostName = 'h2'

  const started = async (guest: Promise<Guest>): Promise<Guest> => {
    guests.push(await guest)
    return guest
  }
  const elsewhere = (): HostName => (place === 'h1' ? 'h2' : 'h1')
  const hypervisor = (...words: string[]) => site.signalbox('vm', 'hypervisor', 'b', ...words)
  const migrate = (to: HostName, ...words: string[]) =>
    site.signalbox('vm', 'migrate', 'b', to, '--pause', '0ms', '--json', ...words)

  /** A QEMU that waits for b at the host. */
  async function waitingAt(host: HostName): Promise<{ guest: Guest; incoming: string }> {
    const incoming = `unix:${site.folder}/to-${guests.length}`
    return { guest: await started(guestAt(site, 'b', host, { incoming })), incoming }
  }

  async function hasMoved(to: HostName, guest: Guest): Promise<void> {
    await b!.stop()
    ;[b, place] = [guest, to]
  }

  /** All that b has said came, in its order. */
  async function streamGoesOn(): Promise<number[][]> {
    const arrived = await howMany(a!)
    await until(async () => (await howMany(a!)) > arrived + 20)
    const rows = (await a!.run('cat /received')).split('\n').map((row) => row.split(' ').map(Number))
    expect(rows.map(([number]) => number)).toEqual(rows.map((_, index) => index))
    return rows
  }

  beforeAll(async () => {
    site = await LiveSite.start(['h1', 'h2'], { amend })
    ;[a, b] = await Promise.all([started(guestAt(site, 'a', 'h2')), started(guestAt(site, 'b', place))])
    await setUp(a!, 'a')
    await setUp(b!, 'b')
    await startStream(b!, a!, GUESTS.a.address)
    await until(async () => (await howMany(a!)) > 20)
  }, 300_000)
  afterAll(async () => {
    for (const guest of guests) await guest.stop()
    await site?.stop()
  })

  test('reach each other as far as the group lets them', async () => {
    expect(await a!.run(`ping -c 3 ${GUESTS.b.address}`)).toMatch(ANSWERED)
    expect(await b!.run(`ping -c 3 ${GUESTS.a.address}`)).toMatch(ANSWERED)
    expect([await opens(a!, b!, OPEN), await opens(a!, b!, CLOSED)]).toEqual([true, false])
  })

  test('somebody else carries one over, and it is let in by its rarp', async () => {
    const to = elsewhere()
    const { guest, incoming } = await waitingAt(to)
    await b!.migrateUntilItStands(incoming)
    const moving = site.beside('vm', 'migrate', 'b', to, '--pause', '0ms', '--json', '--activation', 'rarp')
    await until(async () => (await site.ask<MigrationStatus[]>('/migrations')).some(waitsForGuest))
    await b!.qmp('migrate-continue', { state: 'pre-switchover' })
    const report = JSON.parse(await moving) as object
    await hasMoved(to, guest)
    expect(report).toMatchObject({ state: 'done', activatedBy: 'rarp', policy: 'identical', leftBehind: [] })
    await streamGoesOn()
  })

  test('it is moved with its network by the one command, and its connection stays', async () => {
    await hypervisor('--qmp', b!.monitor)
    const before = { received: await howMany(a!), sentAgain: await sentAgain(b!) }

    const to = elsewhere()
    const { guest, incoming } = await waitingAt(to)
    await expect(migrate(to)).rejects.toThrow(`nobody has said which QEMU waits for b at ${to}`)
    const waits = ['--host', to, '--qmp', guest.monitor, '--incoming']
    await hypervisor(...waits, 'unix:/nowhere/at/all')
    await expect(migrate(to)).rejects.toThrow(/"state": ?"aborted"[^]*nowhere/)
    await hypervisor(...waits, incoming)
    const report = await migrate(to)
    await hasMoved(to, guest)
    expect(JSON.parse(report)).toMatchObject({ vm: 'b', to, state: 'done', policy: 'identical' })

    const rows = await streamGoesOn()
    expect(rows.length).toBeGreaterThan(before.received + 20)
    expect(await b!.run(`ping -c 3 ${GUESTS.a.address}`)).toMatch(ANSWERED)
    const gap = Math.max(...rows.slice(1).map(([, time], index) => time! - rows[index]![1]!))
    const lost = (await sentAgain(b!)) - before.sentAgain
    const { held, blackout } = JSON.parse(report) as { held: number; blackout: string }
    console.info(
      `longest silence ${gap.toFixed(2)} s, ${lost} segments sent again; ${held} frames held, blackout ${blackout}`,
    )
  })

  // QEMU asks by RARP; the kernel, which it tells of the move, says the other two.
  test.each(['rarp', 'garp', 'na'])('it moves on, and is let in by its %s', async (frame) => {
    const to = elsewhere()
    const { guest, incoming } = await waitingAt(to)
    await hypervisor('--host', to, '--qmp', guest.monitor, '--incoming', incoming)
    const report = JSON.parse(await migrate(to, '--activation', frame)) as object
    await hasMoved(to, guest)
    expect(report).toMatchObject({ state: 'done', activatedBy: frame, policy: 'identical', leftBehind: [] })
    await streamGoesOn()
    expect([await opens(a!, b!, OPEN), await opens(a!, b!, CLOSED)]).toEqual([true, false])
  })

  test('the power of its host is cut, and it begins anew at the other with its whole policy', async () => {
    expect(place).toBe('h1')
    const anew = await started(guestAt(site, 'b', 'h2', { waits: true }))
    await hypervisor('--host', 'h2', '--qmp', anew.monitor)
    await b!.stop()
    await site.cutPower('h1')
    const failed = JSON.parse(await site.signalbox('host', 'fail', 'h1', '--json')) as RelocationStatus
    expect(failed).toMatchObject({ state: 'done', moves: [{ vm: 'b', to: 'h2' }, { vm: 'c', to: 'h2' }] }) // prettier-ignore
    await anew.booted()
    await setUp(anew, 'b')
    expect(await a!.run(`ping -c 3 ${GUESTS.b.address}`)).toMatch(ANSWERED)
    expect([await opens(a!, anew, OPEN), await opens(a!, anew, CLOSED)]).toEqual([true, false])
  })
})

/** The network is where it is to be, and the guest has not been seen there. */
const waitsForGuest = ({ resumedAt, endedAt }: MigrationStatus): boolean =>
  resumedAt !== undefined && endedAt === undefined
