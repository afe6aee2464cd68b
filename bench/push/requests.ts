// From a request to its answer, which comes when the switches concerned have what it asks for; and the same beside Open Virtual
// Network, in turn with it.
//
// Which of the two is favoured. Open Virtual Network by one hypervisor, of which alone it is waited for; by ports that are elsewhere, so
// that only the new one is bound here; by a command that knows the database and starts no process; by a second core. Ours by having
// the client, the controller and its switches in one process; and by its own form of the same wish.

import { shapeTopology } from '../../topologies/shapes.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'
import type { WrittenVm } from '../../topologies/schema/topology.ts'
import type { Bench, Conditions } from '../bench.ts'
import { rowOf, secondsOf, type Row } from '../measure.ts'
import { Ovn } from './ovn.ts'
import { ApiSite, policyPath, vmPath } from './site.ts'

const HOSTS = 100
const PORTS_A_HOST = 10
const PORTS = HOSTS * PORTS_A_HOST
const ROUNDS = 30
/** Until what a change runs through is compiled. */
const WARM_UP = 20

const WHERE = `${PORTS.toLocaleString('en')} ports of one network on ${HOSTS} hosts`
const NAME = `push: requests, ${WHERE}`

export const requestBenches: readonly Bench[] = [{ name: NAME, rows: requestRows }]

/** One kind of change, of which each round makes another. */
interface Series {
  readonly name: string
  readonly ours: (round: number) => Promise<void>
  /** Once before each of the peer's turns, and not measured. */
  readonly prepare?: (ovn: Ovn, round: number) => Promise<void>
  readonly theirs: (ovn: Ovn, round: number) => Promise<unknown>
}

async function requestRows({ against, signal }: Conditions): Promise<Row[]> {
  const topology = oneNetwork()
  const site = await ApiSite.start(
    topology,
    topology.hosts.map(({ name }) => name),
  )
  let ovn: Ovn | undefined
  try {
    if (against === 'ovn') {
      ovn = await Ovn.start(signal)
      await makeSame(ovn)
    }
    const rows: Row[] = []
    for (const series of seriesOf(site, topology)) rows.push(await inTurn(series, ovn))
    return rows
  } finally {
    await ovn?.stop()
    await site.close()
  }
}

async function inTurn({ name, ours, prepare, theirs }: Series, ovn: Ovn | undefined): Promise<Row> {
  const figures: [number[], number[]] = [[], []]
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const mine = await secondsOf(() => ours(round))
    if (round >= WARM_UP) figures[0].push(1000 * mine)
    if (ovn === undefined) continue
    await prepare?.(ovn, round)
    const its = await secondsOf(async () => void (await theirs(ovn, round)))
    if (round >= WARM_UP) figures[1].push(1000 * its)
  }
  return rowOf(`${NAME}: ${name}`, 'ms', ...figures)
}

/** Every other VM is in a group whose members may speak with each other. */
function oneNetwork(): Topology {
  const topology = shapeTopology(`single,${HOSTS}`, { vmsPerHost: PORTS_A_HOST, networks: 1, type: 'vxlan' })
  const inside = { direction: 'ingress', ethertype: 'IPv4', remote: { kind: 'group', group: 'web' } } as const
  const grouped = (nic: Nic): Nic => ({ ...nic, policy: { ...nic.policy, securityGroups: ['web'] } })
  return {
    ...topology,
    securityGroups: [{ name: 'web', stateful: true, onRuleRemoval: 'cut', rules: [inside] }],
    vms: topology.vms.map((vm, index) => (isMember(index) ? { ...vm, nics: vm.nics.map(grouped) } : vm)),
  }
}

const isMember = (index: number): boolean => index % 2 === 0

/** Its own form of the same: one switch, and a set of addresses that a rule names. One port is bound, and has the rule. */
async function makeSame(ovn: Ovn): Promise<void> {
  await ovn.nbctl('ls-add', 'net')
  const ports = Array.from({ length: PORTS }, (_, index) => ['--', ...portMore(`p${index}`, 20, index)])
  await ovn.nbctl('--wait=hv', ...ports.flat().slice(1))
  await bind(ovn, 'p0')
  const members = Array.from({ length: PORTS / 2 }, (_, index) => addressOf(20, 2 * index))
  await ovn.nbctl('create', 'Address_Set', 'name=web', `addresses=${members.map((one) => `"${one}"`).join(',')}`)
  await ovn.nbctl(
    '--wait=hv',
    'acl-add',
    'net',
    'to-lport',
    '900',
    'outport == "p0" && ip4.src == $web',
    'allow-related',
  )
}

const addressOf = (net: number, index: number): string => `10.${net}.${index >> 8}.${index & 255}`
const macOf = (net: number, index: number): string =>
  `0a:00:00:${[net, index >> 8, index & 255].map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`

const portMore = (name: string, net: number, index: number): string[] => {
  const addresses = `${macOf(net, index)} ${addressOf(net, index)}`
  return ['lsp-add', 'net', name, '--', 'lsp-set-addresses', name, addresses]
}

/** The hypervisor has an interface for it. */
const bind = (ovn: Ovn, name: string): Promise<string> =>
  ovn.vsctl('add-port', 'br-int', name, '--', 'set', 'Interface', name, `external_ids:iface-id=${name}`)

function seriesOf(site: ApiSite, topology: Topology): Series[] {
  const nics = topology.vms.map((vm) => vm.nics[0]!.id)
  const setPolicy = (nic: string, policy: object) => site.put(policyPath(nic), JSON.stringify(policy))
  return [
    {
      name: 'a port more',
      ours: (round) => site.put(vmPath(`more${round}`), JSON.stringify(vmMore(round))),
      prepare: async (ovn, round) => {
        await bind(ovn, `g${round}`)
        await ovn.nbctl('--wait=hv', 'sync')
      },
      theirs: (ovn, round) => ovn.nbctl('--wait=hv', ...portMore(`g${round}`, 30, round)),
    },
    {
      name: 'policy of a port, or a rule more for one',
      ours: (round) => setPolicy(nics[(2 * round * 7 + 1) % PORTS]!, { egressRate: `${1_000_000 + round}bps` }),
      theirs: (ovn, round) => {
        const rule = `outport == "p0" && udp.dst == ${5000 + round}`
        return ovn.nbctl('--wait=hv', 'acl-add', 'net', 'to-lport', `${1000 + round}`, rule, 'drop')
      },
    },
    {
      name: `a member more of a group of ${PORTS / 2}`,
      ours: (round) => setPolicy(nics[(2 * round * 11 + 1) % PORTS]!, { securityGroups: ['web'] }),
      theirs: (ovn, round) => ovn.nbctl('--wait=hv', 'add', 'Address_Set', 'web', 'addresses', addressOf(40, round)),
    },
  ]
}

function vmMore(round: number): WrittenVm {
  const nic = { name: 'eth0', network: 'net1', mac: macOf(30, round), addresses: [addressOf(30, round + 1)] }
  return { name: `more${round}`, host: `h${1 + ((round * 7) % HOSTS)}`, nics: [nic] }
}
