// Two `signalbox host` processes, each in a namespace with a network of its own between them, and guests that are kernel stacks on TAPs: who
// reaches whom, and VMs that move with their connections. Needs root for the namespaces, and the Debian packages iproute2, iputils-ping, tcpdump and socat.

import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MigrationStatus } from '../../controller/model.ts'
import { GUESTS, type HostName, LiveSite, until } from './support/live-site.ts'
import { type Namespace, namespacesRefused } from './support/namespaces.ts'

type Vm = keyof typeof GUESTS
const VMS = Object.keys(GUESTS) as Vm[]
const HOMES: Record<Vm, HostName> = { a: 'h1', b: 'h2', c: 'h1', d: 'h2' }
/** The two of each network, and the others. */
const WITHIN: [Vm, Vm][] = [['a', 'b'], ['c', 'd']] // prettier-ignore
const ACROSS: [Vm, Vm][] = [['a', 'c'], ['a', 'd'], ['d', 'b'], ['c', 'b']] // prettier-ignore
const BROADCAST = '10.1.0.255'

/**
 * A stack that can be moved from one host to another: its vNIC is a bridge, to which the TAP belongs that its host has made. (A host
 * makes the TAP when the VM is to come, and it goes with the VM.)
 */
class MovableGuest {
  readonly namespace: Namespace
  readonly #site: LiveSite
  readonly #vm: Vm

  private constructor(namespace: Namespace, site: LiveSite, vm: Vm) {
    this.namespace = namespace
    this.#site = site
    this.#vm = vm
  }

  static async create(site: LiveSite, vm: Vm): Promise<MovableGuest> {
    const guest = new MovableGuest(await site.addNamespace(vm), site, vm)
    const { namespace } = guest
    // The TAP would speak of itself otherwise.
    await namespace.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
    await namespace.ip('link', 'add', 'eth0', 'type', 'bridge')
    for (const host of ['h1', 'h2'] as const) await site.attach(vm, host)
    await guest.goTo(HOMES[vm])
    await site.settle(vm, 'eth0', namespace)
    return guest
  }

  /** From another host, whose TAP is as if it had been pulled out. */
  async goTo(host: HostName): Promise<void> {
    const { namespace } = this
    const before = JSON.parse(await namespace.ip('-json', 'link', 'show', 'master', 'eth0')) as { ifname: string }[]
    for (const { ifname } of before) await namespace.ip('link', 'set', ifname, 'nomaster')
    const tap = await this.#site.takeTap(this.#vm, host, namespace)
    await namespace.ip('link', 'set', tap, 'master', 'eth0', 'up')
  }

  async hears(vm: Vm, seconds: number): Promise<boolean> {
    const answer = this.namespace.run('ping', '-c', '1', '-w', String(seconds), '-q', GUESTS[vm].address)
    return answer.then(
      () => true,
      () => false,
    )
  }

  /** Tells, one after the other, from where a broadcast has come in. */
  async listen(): Promise<string[]> {
    const heard: string[] = []
    const words = ['-Q', 'in', '-i', 'eth0', '-l', '-e', '-nn', 'icmp', 'and', 'dst', BROADCAST]
    const { stdout, stderr } = this.namespace.start('tcpdump', ...words)
    createInterface({ input: stdout! }).on('line', (line) => heard.push(/ (\S+) > /.exec(line)?.[1] ?? line))
    await new Promise<void>((resolve) =>
      stderr!.on('data', (text: Buffer) => {
        if (text.includes('listening')) resolve()
      }),
    )
    return heard
  }

  /** Segments that its TCP has sent again. */
  async sentAgain(): Promise<number> {
    const rows = (await this.namespace.run('grep', '^Tcp:', '/proc/net/snmp')).split('\n').map((row) => row.split(' '))
    return Number(rows[1]![rows[0]!.indexOf('RetransSegs')])
  }
}

/** Whole numbers in their order over one connection, a hundred a second, as they arrive. */
function stream(from: Namespace, to: Namespace, address: string): { numbers: number[]; gap: number } {
  const received = { numbers: [] as number[], gap: 0 }
  let last = Infinity
  const sink = to.start('socat', '-u', 'TCP4-LISTEN:7000', 'STDOUT')
  createInterface({ input: sink.stdout! }).on('line', (line) => {
    received.numbers.push(Number(line))
    received.gap = Math.max(received.gap, performance.now() - last)
    last = performance.now()
  })
  const count = 'i=0; while echo $i; do i=$((i + 1)); sleep 0.01; done'
  from.start('sh', '-c', `(${count}) | socat -u STDIN TCP4:${address}:7000,retry=100,interval=0.1`)
  return received
}

const refused = namespacesRefused()
describe.skipIf(refused !== undefined)(`two host processes${refused === undefined ? '' : ` (${refused})`}`, () => {
  let site: LiveSite
  const guests = new Map<Vm, MovableGuest>()
  const guest = (vm: Vm) => guests.get(vm)!
  beforeAll(async () => {
    site = await LiveSite.start(['h1', 'h2'])
    for (const vm of VMS) guests.set(vm, await MovableGuest.create(site, vm))
  })
  afterAll(() => site?.stop())

  test('whoever is in a network reaches all of it, by its VXLAN or VLAN, and nobody else', async () => {
    for (const [from, to] of WITHIN) expect([from, to, await guest(from).hears(to, 30)]).toEqual([from, to, true])
    for (const [from, to] of ACROSS) expect([from, to, await guest(from).hears(to, 2)]).toEqual([from, to, false])
    const heard = await Promise.all(VMS.map((vm) => guest(vm).listen()))
    // Nobody has to answer.
    const call = (vm: Vm) => guest(vm).namespace.run('ping', '-b', '-c', '3', '-i', '0.1', '-W', '1', BROADCAST)
    await Promise.all(VMS.map((vm) => call(vm).catch(() => {})))
    await until(() => heard.every(({ length }) => length >= 3))
    expect(heard).toEqual([GUESTS.b, GUESTS.a, GUESTS.d, GUESTS.c].map(({ mac }) => [mac, mac, mac]))
  })

  test.each<{ kind: string; vm: Vm; peer: Vm; to: HostName }>([
    { kind: 'VXLAN', vm: 'b', peer: 'a', to: 'h1' },
    { kind: 'VLAN', vm: 'c', peer: 'd', to: 'h2' },
  ])('VM $vm of the $kind network moves to $to, and its connection stays', async ({ kind, vm, peer, to }) => {
    const [sender, receiver] = [guest(peer), guest(vm)]
    const received = stream(sender.namespace, receiver.namespace, GUESTS[vm].address)
    await until(() => received.numbers.length > 50)
    const sentAgain = await sender.sentAgain()
    const moving = site.beside('vm', 'migrate', vm, to, '--pause', '1s', '--json')
    // Its own processes can not be stopped: they are where they are, and hear nothing.
    await until(async () => (await site.ask<MigrationStatus[]>('/migrations')).some(isPaused(vm)))
    await receiver.goTo(to)
    expect(JSON.parse(await moving)).toMatchObject({ vm, to, state: 'done', policy: 'identical' })
    const before = received.numbers.length
    await until(() => received.numbers.length > before + 100)
    expect(received.numbers).toEqual(received.numbers.map((_, index) => index))
    expect(await guest(peer).hears(vm, 30)).toBe(true)
    for (const other of VMS.filter((name) => name !== vm && name !== peer))
      expect(await guest(other).hears(vm, 2)).toBe(false)
    const lost = (await sender.sentAgain()) - sentAgain
    console.info(
      `${kind}: longest silence ${Math.round(received.gap)} ms, of these 1000 asked for; ${lost} segments sent again`,
    )
  })
})

const isPaused =
  (name: string) =>
  ({ vm, pausedAt, resumedAt }: MigrationStatus): boolean =>
    vm === name && pausedAt !== undefined && resumedAt === undefined
