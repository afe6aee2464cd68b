// The connection tracker of the Linux kernel: a namespace that routes, whose netfilter writes into each packet what it makes of it. Needs
// root, a kernel with nf_conntrack and nf_tables, python3, and the Debian packages iproute2 and nftables.

import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Namespace, namespacesRefused } from './namespaces.ts'

const HELPER = fileURLToPath(new URL('through_interface.py', import.meta.url))
const ROUTER_MAC = '02:00:00:00:00:01'
const NEXT_MAC = '02:00:00:00:00:02'
/** Seconds after which a frame does not come back. */
const PATIENCE = 0.3

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

/** All packets are forwarded, so that all new connections are confirmed. */
const RULES = `
table inet told {
  chain zone {
    type filter hook prerouting priority raw;
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
      const tracker = new LinuxTracker(
        namespace,
        namespace.converse('python3', HELPER, String(PATIENCE), 'outside', next),
      )
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
    const lines = frames.map((frame) => Buffer.from(toRouter(frame)).toString('hex'))
    this.#helper.stdin!.write([...lines, '', ''].join('\n'))
    const states: (LinuxState | undefined)[] = []
    while (states.length < frames.length) states.push(stateOf(await this.#line()))
    await this.#line()
    return states
  }

  /** Connections from now on are others than those before: they are in another zone. */
  async forget(): Promise<void> {
    const rule = `flush chain inet told zone; add rule inet told zone ct zone set ${++this.#zone}`
    await this.#namespace.run('nft', rule)
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
]

const TYPE_IPV4 = 0x0800

function toRouter(frame: Uint8Array): Uint8Array {
  const sent = frame.slice()
  sent.set(Buffer.from(ROUTER_MAC.replaceAll(':', ''), 'hex'))
  return sent
}

function stateOf(line: string): LinuxState | undefined {
  if (line === '-') return undefined
  const bytes = Buffer.from(line, 'hex')
  const isV4 = bytes.readUInt16BE(12) === TYPE_IPV4
  const dscp = isV4 ? bytes[15]! >> 2 : (bytes.readUInt16BE(14) >> 6) & 0x3f
  const state = STATES[dscp - 1]
  if (state === undefined) throw new Error(`a packet came back with DSCP ${dscp}`)
  return state
}
