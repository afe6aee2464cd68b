// What a change of one port costs where there are many: worked out by the controller, and from its call to the last barrier. A full
// compile of the same beside it. The order of vNICs in the configuration of hosts does not matter here: nobody dials in but switches.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { Controller } from '../../controller/controller.ts'
import { buildView } from '../../controller/network/build-view.ts'
import { patchView } from '../../controller/network/patch-view.ts'
import { withVm } from '../../controller/network/vm-changes.ts'
import { bareIntent, type Intent } from '../../controller/network/intent.ts'
import type { View } from '../../controller/network/view.ts'
import { Compiler } from '../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../controller/reconcile/diff.ts'
import type { SwitchState } from '../../controller/reconcile/switch-state.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { relocated } from '../../topologies/relocation.ts'
import { shapeTopology } from '../../topologies/shapes.ts'
import type { Nic, Topology, Vm } from '../../topologies/topology.ts'
import type { Bench } from '../bench.ts'
import { switchOf } from '../live-switch.ts'
import { requestBenches } from './requests.ts'
import { ApiSite, policyPath, vmPath } from './site.ts'
import { heapInUse, processorSecondsOf, rowOf, secondsOf, type Row } from '../measure.ts'

const HOSTS = 1000
const PORTS_A_HOST = 20
/** Each is on 100 hosts. */
const NETWORKS = 200
const ROUNDS = 200
/** Until what a change runs through is compiled. */
const WARM_UP = 100
const GROUP = 5000

const WHERE = `${HOSTS.toLocaleString('en')} hosts, ${(HOSTS * PORTS_A_HOST).toLocaleString('en')} ports, ${NETWORKS} networks`
const FULL = `push: full compile, ${WHERE}`
const COMPUTED = 'push: one port, computed'
const BARRIER = 'push: one port, from the call to the last barrier'
const LOOPBACK = 'push: one port, from PUT /ports/ID/policy to its answer, over loopback'
const VM_MORE = 'push: one VM more, from PUT /topology/vms/NAME to its answer, over loopback'
const VM_LESS = 'push: one VM less, from DELETE /topology/vms/NAME to its answer, over loopback'

export const pushBenches: readonly Bench[] = [
  { name: FULL, rows: computedRows },
  { name: BARRIER, rows: async () => [await inProcess()] },
  { name: LOOPBACK, rows: async () => [await overLoopback()] },
  { name: `${VM_MORE}; and one less`, rows: vmsOverLoopback },
  ...requestBenches,
]

/** Three of four VMs on the first hosts are in the group: there are others beside them. */
const GROUPED = Math.ceil(GROUP / 3) * 4
const isMember = (index: number): boolean => index < GROUPED && index % 4 !== 3

/** Some VMs are in a group whose members may speak with each other. */
function manyHosts(hosts: number, networks: number): Topology {
  const topology = shapeTopology(`single,${hosts}`, { vmsPerHost: PORTS_A_HOST, networks, type: 'vxlan' })
  const inside = { direction: 'ingress', ethertype: 'IPv4', remote: { kind: 'group', group: 'web' } } as const
  return {
    ...topology,
    securityGroups: [{ name: 'web', stateful: true, onRuleRemoval: 'cut', rules: [inside] }],
    vms: topology.vms.map((vm, index) => (isMember(index) ? inGroup(vm) : vm)),
  }
}

const inGroup = (vm: Vm): Vm => ({
  ...vm,
  nics: vm.nics.map((nic): Nic => ({ ...nic, policy: { ...nic.policy, securityGroups: ['web'] } })),
})

/** What the controller does between hearing of a change and having the messages, by hand. */
class Plant {
  view: View
  readonly #compiler = new Compiler()
  readonly #states = new Map<string, SwitchState>()

  constructor(intent: Intent) {
    this.view = buildView(intent)
    for (const [name, state] of this.#compiler.follow(this.view)) this.#states.set(name, state)
  }

  get flows(): number {
    let flows = 0
    for (const state of this.#states.values()) flows += state.flows.size
    return flows
  }

  /** @returns milliseconds, and how many switches have something to be told */
  become(intent: Intent): { milliseconds: number; touched: number } {
    const start = process.cpuUsage()
    const before = this.view
    this.view = patchView(before, intent)
    let touched = 0
    for (const [name, state] of this.#compiler.follow(this.view)) {
      if (messagesOf(diff(this.#states.get(name)!, state)).length > 0) touched++
      this.#states.set(name, state)
    }
    const { user, system } = process.cpuUsage(start)
    return { milliseconds: (user + system) / 1e3, touched }
  }
}

async function computedRows(): Promise<Row[]> {
  const topology = manyHosts(HOSTS, NETWORKS)
  const heapBefore = heapInUse()
  let plant!: Plant
  const seconds = await processorSecondsOf(() => {
    plant = new Plant(bareIntent(topology))
  })
  const heap = (heapInUse() - heapBefore) / 1e6
  return [
    rowOf(FULL, 's', [seconds]),
    rowOf('… and memory it takes', 'MB', [heap]),
    rowOf('… flows of all switches together', 'millions', [plant.flows / 1e6]),
    ...(await changesRows(plant)),
  ]
}

type Step = (intent: Intent, round: number) => Intent

const amended = (intent: Intent, was: Vm | undefined, is: Vm | undefined): Intent => ({
  ...intent,
  topology: withVm(intent.topology, was, is),
})

const vmAt = ({ topology }: Intent, round: number): Vm => topology.vms[(round * 7919) % topology.vms.length]!
const hostAfter = ({ topology }: Intent, name: string): string =>
  topology.hosts[(topology.hosts.findIndex((host) => host.name === name) + 10) % topology.hosts.length]!.name

const withPolicy = (vm: Vm, round: number): Vm => ({
  ...vm,
  nics: vm.nics.map((nic): Nic => ({ ...nic, policy: { ...nic.policy, egressRate: 1e6 + round } })),
})

const CHANGES: [string, Step][] = [
  ['policy', (intent, round) => amended(intent, vmAt(intent, round), withPolicy(vmAt(intent, round), round))],
  [
    'binding, to another host that has its network',
    (intent, round) => {
      const vm = vmAt(intent, round)
      return amended(intent, vm, relocated(vm, intent.topology, hostAfter(intent, vm.host))!)
    },
  ],
  ['a stage of a move', stageOfMove],
  [
    `a member more of a group of ${GROUP.toLocaleString('en')}`,
    (intent, round) => {
      const vm = intent.topology.vms[((round * 7919 * 4) % GROUPED) + 3]!
      return amended(intent, vm, inGroup(vm))
    },
  ],
  [
    '… the first on its host',
    (intent, round) => {
      const vm = intent.topology.vms[(Math.ceil(GROUPED / PORTS_A_HOST) + round) * PORTS_A_HOST]!
      return amended(intent, vm, inGroup(vm))
    },
  ],
  ['attach', (intent, round) => amended(intent, undefined, vmMore(intent, round))],
  ['detach', (intent, round) => amended(intent, vmAt(intent, round), undefined)],
]

const STAGES = ['prepared', 'collecting', 'moved', 'released'] as const

function stageOfMove(intent: Intent, round: number): Intent {
  const vm = vmAt(intent, Math.floor(round / STAGES.length))
  const to = hostAfter(intent, vm.host)
  const move = { to, stage: STAGES[round % STAGES.length]!, homeState: 'hold', targetState: 'hold' } as const
  return { ...intent, moves: new Map([[vm.name, move]]) }
}

/** Another on a host, on the network of one that is there. */
function vmMore(intent: Intent, round: number): Vm {
  const { host, nics } = vmAt(intent, round)
  const name = `more${round}`
  const address = `10.99.${round >> 8}.${round & 255}`
  const mac = `02:99:00:00:${[round >> 8, round & 255].map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`
  return { name, host, nics: [{ ...nics[0]!, id: `${name}:eth0`, vm: name, mac, addresses: [address] }] }
}

async function changesRows(plant: Plant): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, change] of CHANGES) rows.push(...(await changeRows(plant, name, change)))
  return rows
}

/** Changes one port after another, each in a turn of its own: what a WeakRef has given is kept to the turn's end. */
async function changeRows(plant: Plant, name: string, change: Step): Promise<Row[]> {
  const figures: number[] = []
  const touched: number[] = []
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    await nextTurn()
    const result = plant.become(change(plant.view.intent, round))
    if (round < WARM_UP) continue
    figures.push(result.milliseconds)
    touched.push(result.touched)
  }
  return [rowOf(`${COMPUTED}: ${name}`, 'ms', figures), rowOf('… switches touched', 'switches', touched)]
}

/** Switches of the hosts of one network are there, and nobody else; and all VMs that are on it. */
function oneNetworkOf(topology: Topology): { hosts: string[]; nics: string[] } {
  const [network] = topology.networks
  const vms = topology.vms.filter(({ nics }) => nics[0]!.network === network!.name)
  return { hosts: [...new Set(vms.map((vm) => vm.host))], nics: vms.map(({ nics }) => nics[0]!.id) }
}

/** Asks for one change after another; each answer comes after the barrier. */
async function roundTrips(name: string, ask: (round: number) => Promise<unknown>): Promise<Row> {
  const figures: number[] = []
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const seconds = await secondsOf(async () => void (await ask(round)))
    if (round >= WARM_UP) figures.push(1000 * seconds)
  }
  return rowOf(name, 'ms', figures)
}

async function inProcess(): Promise<Row> {
  const topology = manyHosts(HOSTS, NETWORKS)
  const { hosts, nics } = oneNetworkOf(topology)
  const clock = new WallClock()
  const controller = new Controller({ clock })
  await controller.apply(topology)
  for (const host of hosts) switchOf(host, clock)(controller)
  await controller.inSync()
  const policy = (rate: number) => ({ portSecurity: true, egressRate: rate })
  const row = await roundTrips(BARRIER, (round) =>
    controller.setPolicy(nics[round % nics.length]!, () => policy(1e6 + round)),
  )
  controller.close()
  clock.stop()
  return row
}

/** HTTP to the API, TCP to the switches. */
async function overLoopback(): Promise<Row> {
  const topology = manyHosts(HOSTS, NETWORKS)
  const { hosts, nics } = oneNetworkOf(topology)
  const site = await ApiSite.start(topology, hosts)
  try {
    return await roundTrips(LOOPBACK, (round) =>
      site.put(policyPath(nics[round % nics.length]!), JSON.stringify({ egressRate: `${1e6 + round}bps` })),
    )
  } finally {
    await site.close()
  }
}

/** On hosts that have their network; the fewer ones are those that were added. */
async function vmsOverLoopback(): Promise<Row[]> {
  const topology = manyHosts(HOSTS, NETWORKS)
  const { hosts } = oneNetworkOf(topology)
  const site = await ApiSite.start(topology, hosts)
  const network = topology.networks[0]!.name
  const put = (round: number) => {
    const vm = { name: `more${round}`, host: hosts[round % hosts.length]!, nics: [{ name: 'eth0', network }] }
    return site.put(vmPath(vm.name), JSON.stringify(vm))
  }
  try {
    return [await roundTrips(VM_MORE, put), await roundTrips(VM_LESS, (round) => site.delete(vmPath(`more${round}`)))]
  } finally {
    await site.close()
  }
}
