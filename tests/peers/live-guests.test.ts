// Guests of QEMU on two `signalbox host` processes, and one that `signalbox vm migrate` moves from one to the other together with its
// network. Needs root for the namespaces, and the Debian packages iproute2 and those of support/qemu.ts.

import { expect, onTestFinished, test } from 'vitest'
import { GREEN_MTU, GUESTS, type HostName, LiveSite, until } from './support/live-site.ts'
import { namespacesRefused } from './support/namespaces.ts'
import { ANSWERED, Guest, guestsRefused } from './support/qemu.ts'

/** UDP ports of the loopback in a host's own namespace: of the host's end of the wire, and of QEMU's. */
const PORTS = { a: [7001, 7002], b: [7003, 7004] } as const

/** The VM in QEMU, at a host where it is or will be. */
async function guestAt(site: LiveSite, vm: 'a' | 'b', host: HostName, incoming?: string): Promise<Guest> {
  const [ours, its] = PORTS[vm]
  await site.attach(vm, host, `dgram:127.0.0.1:${ours},127.0.0.1:${its}`)
  const ends = { 'local.type': 'inet', 'local.host': '127.0.0.1', 'local.port': its }
  const netdev = { ...ends, 'remote.type': 'inet', 'remote.host': '127.0.0.1', 'remote.port': ours }
  const guest = await Guest.start({
    netdev: ['dgram', ...Object.entries(netdev).map(([name, value]) => `${name}=${value}`)].join(),
    mac: GUESTS[vm].mac,
    namespace: site.namespace(host),
    ...(incoming !== undefined && { incoming }),
  })
  onTestFinished(() => guest.stop())
  return guest
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

/** Guest and network, by the one command; its report. */
const move = (site: LiveSite) => site.signalbox('vm', 'migrate', 'b', 'h1', '--pause', '0ms', '--json')

const howMany = async (receiver: Guest) => Number(await receiver.run('wc -l < /received'))

const refused = namespacesRefused() ?? guestsRefused()
test.skipIf(refused !== undefined)(
  `a guest of QEMU moves to another host process, and its connection stays${refused === undefined ? '' : ` (${refused})`}`,
  async () => {
    const site = await LiveSite.start(['h1', 'h2'])
    onTestFinished(async () => void (await site.stop()))
    const [a, b] = [await guestAt(site, 'a', 'h1'), await guestAt(site, 'b', 'h2')]
    await setUp(a, 'a')
    await setUp(b, 'b')
    expect(await a.run(`ping -c 3 ${GUESTS.b.address}`)).toMatch(ANSWERED)
    expect(await b.run(`ping -c 3 ${GUESTS.a.address}`)).toMatch(ANSWERED)
    await startStream(b, a, GUESTS.a.address)
    await until(async () => (await howMany(a)) > 20)
    await site.signalbox('vm', 'hypervisor', 'b', '--qmp', b.monitor)
    const before = { received: await howMany(a), sentAgain: await sentAgain(b) }

    const incoming = `unix:${site.folder}/migration`
    const moved = await guestAt(site, 'b', 'h1', incoming)
    await expect(move(site)).rejects.toThrow('nobody has said which QEMU waits for b at h1')
    const waits = ['vm', 'hypervisor', 'b', '--host', 'h1', '--qmp', moved.monitor, '--incoming']
    await site.signalbox(...waits, 'unix:/nowhere/at/all')
    await expect(move(site)).rejects.toThrow(/"state": ?"aborted"[^]*nowhere/)
    await site.signalbox(...waits, incoming)
    const report = await move(site)
    await b.stop()
    expect(JSON.parse(report)).toMatchObject({ vm: 'b', to: 'h1', state: 'done', policy: 'identical' })

    const arrived = await howMany(a)
    await until(async () => (await howMany(a)) > arrived + 20)
    const rows = (await a.run('cat /received')).split('\n').map((row) => row.split(' ').map(Number))
    expect(rows.length).toBeGreaterThan(before.received + 20)
    expect(rows.map(([number]) => number)).toEqual(rows.map((_, index) => index))
    expect(await moved.run(`ping -c 3 ${GUESTS.a.address}`)).toMatch(ANSWERED)
    const gap = Math.max(...rows.slice(1).map(([, time], index) => time! - rows[index]![1]!))
    const lost = (await sentAgain(moved)) - before.sentAgain
    const { held, blackout } = JSON.parse(report) as { held: number; blackout: string }
    console.info(
      `longest silence ${gap.toFixed(2)} s, ${lost} segments sent again; ${held} frames held, blackout ${blackout}`,
    )
  },
)
