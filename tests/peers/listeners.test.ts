// Listeners of Linux, which join groups by a socket and answer queries as its stack does, on two `signalbox host` processes: with a querier
// of the network's own they outlive the ageing time, without they do not. What a mirror has written of one of them tshark reads.
// Needs root for the namespaces, and the Debian packages iproute2, python3 and tshark.

import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { SiteTopology } from './support/live-site.ts'
import { GUESTS, LiveSite, until } from './support/live-site.ts'
import type { Namespace } from './support/namespaces.ts'
import { namespacesRefused } from './support/namespaces.ts'
import { tsharkFields } from './support/tshark.ts'

const LISTENER = fileURLToPath(new URL('support/group_listener.py', import.meta.url))
const PLACES = { a: 'h1', b: 'h2', c: 'h1', d: 'h2' } as const
type Guest = keyof typeof PLACES
/** Whom they listen to: `a` sends to both. */
const GROUPS = { b: '239.1.1.1', c: '239.1.1.1', d: '239.1.1.2' } as const
const DATAGRAMS = 20
const AGING = 4000

/** All four in one overlay that snoops. */
const snooping = (querier: unknown) => (topology: SiteTopology) => ({
  ...topology,
  networks: topology.networks.map((network) => ({
    ...network,
    ...(network.name === 'green' && { igmpSnooping: { agingTime: `${AGING}ms`, floodUnregistered: false, querier } }),
  })),
  vms: topology.vms.map((vm) => ({ ...vm, nics: vm.nics.map((nic) => ({ ...nic, network: 'green' })) })),
  mirrors: [{ name: 'b', source: { port: 'b' }, target: { file: 'b.pcapng' } }],
})

async function guestOf(site: LiveSite, vm: Guest): Promise<{ namespace: Namespace; device: string }> {
  const namespace = await site.addNamespace(vm)
  await site.attach(vm, PLACES[vm])
  const device = await site.takeTap(vm, PLACES[vm], namespace)
  await site.settle(vm, device, namespace)
  return { namespace, device }
}

interface Counts {
  datagrams: number
  /** By group. */
  frames: Record<string, number>
}

class Listener {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(process: ChildProcess) {
    this.#process = process
    this.#lines = createInterface({ input: process.stdout! })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value)
  }

  async counts(): Promise<Counts> {
    this.#process.stdin!.write('\n')
    return JSON.parse(await this.line()) as Counts
  }
}

const SEND = `
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    for group in sys.argv[3:]:
        out.sendto(b"hello", (group, 5000))
    time.sleep(0.01)
`

async function listeningSite(querier: unknown) {
  const site = await LiveSite.start(['h1', 'h2'], {
    amend: snooping(querier),
    hostWords: (host, folder) => ['--captures', join(folder, host)],
  })
  onTestFinished(async () => void (await site.stop()))
  const { namespace: sender } = await guestOf(site, 'a')
  const listeners = new Map<Guest, Listener>()
  for (const [name, group] of Object.entries(GROUPS)) {
    const vm = name as keyof typeof GROUPS
    const { namespace, device } = await guestOf(site, vm)
    const listener = new Listener(namespace.converse('python3', LISTENER, device, GUESTS[vm].address, group))
    expect(await listener.line()).toBe('ready')
    listeners.set(vm, listener)
  }
  const send = () =>
    sender.run('python3', '-c', SEND, GUESTS.a.address, String(DATAGRAMS), ...new Set(Object.values(GROUPS)))
  const heard = async () =>
    Object.fromEntries(
      await Promise.all([...listeners].map(async ([name, one]) => [name, await one.counts()] as const)),
    )
  const members = async () =>
    (await site.ask<{ group?: string }[]>('/networks/green/groups')).filter(({ group }) => group?.startsWith('239.'))
  await until(async () => (await members()).length === 3)
  return { site, send, heard, members }
}

const refused = namespacesRefused()
const why = refused === undefined ? '' : ` (${refused})`

test.skipIf(refused !== undefined)(
  `who answers the network's own querier is kept, and hears his group alone${why}`,
  async () => {
    const { site, send, heard, members } = await listeningSite({ interval: '1s', maxResponse: '1s' })
    await new Promise((resolve) => setTimeout(resolve, AGING + 2000))
    expect(await members()).toHaveLength(3)
    await send()
    const all = (group: string) => ({ datagrams: DATAGRAMS, frames: { [group]: DATAGRAMS } })
    const expected = Object.fromEntries(Object.entries(GROUPS).map(([name, group]) => [name, all(group)]))
    await until(async () => Object.values(await heard()).every(({ datagrams }) => datagrams === DATAGRAMS))
    expect(await heard()).toEqual(expected)

    const file = join(site.folder, 'h2', 'b.pcapng')
    const copied = (filter: string) =>
      tsharkFields(file, filter, ['frame.interface_name', 'frame.packet_flags_direction'])
    await until(() => copied('udp.port == 5000').length === DATAGRAMS)
    expect(tsharkFields(file, '_ws.malformed', ['frame.number'])).toEqual([])
    expect(new Set(copied('udp.port == 5000').flat())).toEqual(new Set(['b:eth0', '0x00000002']))
    expect(copied('igmp.type == 0x11').length).toBeGreaterThan(2)
    expect(new Set(copied('igmp.type == 0x22').map(([, way]) => way))).toEqual(new Set(['0x00000001']))
  },
)

test.skipIf(refused !== undefined)(`nobody is kept, and nobody hears, where nobody asks${why}`, async () => {
  const { send, heard, members } = await listeningSite(false)
  await until(async () => (await members()).length === 0)
  await send()
  expect(Object.values(await heard()).map(({ frames }) => frames)).toEqual([{}, {}, {}])
})
