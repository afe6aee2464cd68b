// The connection tracker of the Linux kernel: a namespace that routes, whose netfilter writes into each packet what it makes of it. Needs
// root, a kernel with nf_conntrack and nf_tables, python3, and the Debian packages iproute2 and nftables.

import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseIpv4 } from '../../../protocols/address.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { Namespace, namespacesRefused } from './namespaces.ts'

const HELPER = fileURLToPath(new URL('through_interface.py', import.meta.url))
const ROUTER_MAC = '02:00:00:00:00:01'
const NEXT_MAC = '02:00:00:00:00:02'
/** Is tracked by nobody, and comes back. */
const LAST = udpFrame({
  ethSrc: 0x020000000002n,
  ethDst: 0x020000000001n,
  ipSrc: parseIpv4('192.0.2.2'),
  ipDst: parseIpv4('198.18.0.1'),
  srcPort: 9,
  dstPort: 9,
  payload: Buffer.from('the last'),
})

/** In the order of the DSCPs that they are told by, from 1 on. */
const STATES = ['invalid', 'new', 'related', 'related reply', 'established', 'established reply', 'untracked'] as const
export type LinuxState = (typeof STATES)[number]

const MATCHES: Readonly<Record<LinuxState, string>> = {
  invalid: 'ct state invalid',
  new: 'ct state new',
  related: 'ct state related ct direction original',
  'related reply': 'ct state related ct direction reply',
  established: 'ct state established ct direction original',
  'established reply': 'ct state established ct direction reply',
  untracked: 'ct state untracked',
}

const NEVER_TRACKED = 'ip daddr 198.18.0.1 notrack accept'

/** All packets are forwarded, so that all new connections are confirmed. Chains `source` and `destination` are for whoever has addresses translated. */
const RULES = `
table inet told {
  chain zone {
    type filter hook prerouting priority raw;
    ${NEVER_TRACKED}
  }
  chain destination {
    type nat hook prerouting priority dstnat;
  }
  chain source {
    type nat hook postrouting priority srcnat;
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
${STATES.flatMap((state, index) => ['ip', 'ip6'].map((family) => `    ${MATCHES[state]} ${family} dscp set ${index + 1} accept`)).join('\n')}
  }
}`

/** Why this machine's kernel can not be asked; undefined where it can. */
export function linuxTrackerRefused(): string | undefined {
  const refused = namespacesRefused()
  if (refused !== undefined) return refused
  try {
    execFileSync('nft', ['--version'], { stdio: 'ignore' })
    execFileSync('python3', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs nftables and python3'
  }
}

export class LinuxTracker {
  readonly #namespace: Namespace
  readonly #helper: ChildProcess
  readonly #lines: AsyncIterator<string>
  #zone = 0

  private constructor(namespace: Namespace, helper: ChildProcess) {
    this.#namespace = namespace
    this.#helper = helper
    this.#lines = createInterface(helper.stdout!)[Symbol.asyncIterator]()
  }

  static async start(): Promise<LinuxTracker> {
    const namespace = await Namespace.create('conntrack')
    try {
      await setUp(namespace)
      const next = NEXT_MAC.replaceAll(':', '')
      const last = Buffer.from(LAST).toString('hex')
      const tracker = new LinuxTracker(namespace, namespace.converse('python3', HELPER, 'outside', next, last))
      await tracker.#line()
      return tracker
    } catch (error) {
      await namespace.remove()
      throw error
    }
  }

  stop(): Promise<void> {
    return this.#namespace.remove()
  }

  /** What it makes of the packets, one after the other; undefined where one is not forwarded. Their DSCP is to be 0. */
  async track(frames: readonly Uint8Array[]): Promise<(LinuxState | undefined)[]> {
    return (await this.forward(frames)).map(([first]) => first?.state)
  }

  /** What comes of each packet: it may be translated, wait for others of its datagram, or be dropped. Their DSCP is to be 0. */
  async forward(frames: readonly Uint8Array[]): Promise<Forwarded[][]> {
    const lines = frames.map((frame) => Buffer.from(toRouter(frame)).toString('hex'))
    this.#helper.stdin!.write([...lines, '', ''].join('\n'))
    const forwarded: Forwarded[][] = []
    while (forwarded.length < frames.length) forwarded.push(forwardedOf(await this.#line()))
    await this.#line()
    return forwarded
  }

  /** Connections from now on are others than those before: they are in another zone. `nat` are rules for new ones, by chain. */
  async forget(nat: { source?: readonly string[]; destination?: readonly string[] } = {}): Promise<void> {
    const { source = [], destination = [] } = nat
    const chains = { zone: [NEVER_TRACKED, `ct zone set ${++this.#zone}`], source, destination }
    const rules = Object.entries(chains).flatMap(([chain, ones]) => [
      `flush chain inet told ${chain}`,
      ...ones.map((rule) => `add rule inet told ${chain} ${rule}`),
    ])
    await this.#namespace.run('nft', rules.join('; '))
  }

  /** Settings of the kernel's, in here alone: `net.netfilter.…=…` */
  async set(...settings: readonly string[]): Promise<void> {
    await this.#namespace.run('sysctl', '-q', '-w', ...settings)
  }

  /** The connections of the last zone, as the kernel writes them. */
  async connections(): Promise<string[]> {
    const rows = (await this.#namespace.run('cat', '/proc/net/nf_conntrack')).split('\n')
    return rows.filter((row) => row.includes(` zone=${this.#zone} `))
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the helper has ended')
    return value
  }
}

/** One interface is both sides': packets go out where they came in. */
async function setUp(namespace: Namespace): Promise<void> {
  await namespace.ip('link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'router')
  await namespace.run('sysctl', '-q', '-w', ...SETTINGS)
  await namespace.ip('link', 'set', 'router', 'address', ROUTER_MAC)
  await namespace.configure('outside')
  await namespace.configure('router', '192.0.2.1/30', '2001:db8:ffff::1/126')
  for (const [family, next] of [
    ['-4', '192.0.2.2'],
    ['-6', '2001:db8:ffff::2'],
  ] as const) {
    await namespace.ip(family, 'neighbour', 'add', next, 'lladdr', NEXT_MAC, 'dev', 'router', 'nud', 'permanent')
    await namespace.ip(family, 'route', 'add', 'default', 'via', next, 'dev', 'router')
  }
  await namespace.run('sh', '-c', `nft -f - <<'END'\n${RULES}\nEND`)
}

const SETTINGS = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv4.conf.router.rp_filter=0',
  'net.ipv4.conf.router.send_redirects=0',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv6.conf.outside.disable_ipv6=1',
  // It would tell of datagrams that do not get whole, in the midst of other frames.
  'net.netfilter.nf_conntrack_frag6_timeout=86400',
]

const TYPE_IPV4 = 0x0800

function toRouter(frame: Uint8Array): Uint8Array {
  const sent = frame.slice()
  sent.set(Buffer.from(ROUTER_MAC.replaceAll(':', ''), 'hex'))
  return sent
}

/** As it came back: with the DSCP that tells its state, and one hop less to live. */
export interface Forwarded {
  state: LinuxState
  bytes: Uint8Array
}

const forwardedOf = (line: string): Forwarded[] =>
  line
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const bytes = Buffer.from(word, 'hex')
      return { bytes, state: stateOf(bytes) }
    })

function stateOf(bytes: Buffer): LinuxState {
  const isV4 = bytes.readUInt16BE(12) === TYPE_IPV4
  const dscp = isV4 ? bytes[15]! >> 2 : (bytes.readUInt16BE(14) >> 6) & 0x3f
  const state = STATES[dscp - 1]
  if (state === undefined) throw new Error(`a packet came back with DSCP ${dscp}`)
  return state
}
