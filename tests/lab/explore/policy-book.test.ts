import { expect, test } from 'vitest'
import { ingressMeter } from '../../../controller/apps/qos.ts'
import { isPolicy } from '../../../controller/migration/policy.ts'
import { compile } from '../../../controller/reconcile/compile.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import { buildView } from '../../../controller/network/build-view.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { Register } from '../../../controller/tables.ts'
import type { Port } from '../../../datapath/port.ts'
import type { Switch } from '../../../datapath/switch.ts'
import { departure, flowsOf, hasFlows, policyAt, stateOf } from '../../../lab/explore/measure.ts'
import { PolicyBook } from '../../../lab/explore/policy-book.ts'
import { Lab } from '../../../lab/lab.ts'
import type { FlowSpec, MeterSpec } from '../../../protocols/control/messages.ts'
import type { PortConfig } from '../../../protocols/control/ports.ts'
import type { Match } from '../../../protocols/match.ts'
import { sharedMessages } from '../../../protocols/control/shared-messages.ts'
import { frozen } from '../../../runtime/frozen.ts'
import { seeded, type Random } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { loadScenarioOrTopology } from '../../../topologies/load.ts'

const SEEDS = [1, 2, 3]
const ROUNDS = 40
const { topology } = await loadScenarioOrTopology('topologies/examples/stateful-web-tier.json')
const view = buildView(bareIntent(topology))

/** As in an exploration, what says the same is one object, in all runs. */
const decode = sharedMessages()

async function started(seed: number): Promise<{ device: Switch; wanted: SwitchState }> {
  const lab = await Lab.start(topology, { clock: new VirtualClock(), seed, decode })
  const [name, at] = [...view.switches][seed % view.switches.size]!
  return { device: lab.network.switch(name)!, wanted: compile(at, view) }
}

const meterOf = (port: number, rate: bigint): MeterSpec => ({
  meter: ingressMeter(port),
  unit: 'bits',
  bands: [{ type: 'drop', rate, burst: 0n }],
})

/** One change of what a switch has: sometimes back to what it was. */
function change(random: Random, device: Switch, wanted: SwitchState): void {
  const flows = [...wanted.flows.values()]
  const flow = flows[random.below(flows.length)]!
  const { instructions } = flows[random.below(flows.length)]!
  const mod = frozen({ type: 'flowMod' as const, cookieMask: 0n, ...flow })
  const port = [...device.ports].filter(({ config }) => config.type === 'vnic')[0]
  const changes = [
    () => device.tables.applyBundle([{ ...mod, command: 'delete-strict' }]),
    () => device.tables.applyBundle([frozen({ ...mod, command: 'add' })]),
    () => device.tables.applyBundle([frozen({ ...mod, command: 'add', priority: flow.priority ^ 1 })]),
    () => device.tables.applyBundle([{ ...mod, command: 'modify-strict', instructions: { ...instructions } }]),
    () => device.tables.applyBundle([frozen({ ...mod, command: 'add', instructions })]),
    () => port && device.meters.set(meterOf(port.number, 1_000_000n * BigInt(1 + random.below(2))), 0),
    () => port && device.ports.modify({ ...port.config, maxRate: 1_000_000 * (1 + random.below(2)) }),
  ]
  try {
    changes[random.below(changes.length)]!()
  } catch {
    // What goes to an earlier table is refused.
  }
}

test.each(SEEDS)(
  'a policy that is worked out where it was touched is the one that all flows say (seed %i)',
  async (seed) => {
    const { device, wanted } = await started(seed)
    const random = seeded(seed)
    const book = new PolicyBook(device)
    const seen = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      for (const port of device.ports) {
        const policy = book.of(port)
        expect(policy).toBe(policyAt(device, port.name, port.number))
        seen.add(policy)
      }
      change(random, device, wanted)
    }
    expect(seen.size).toBeGreaterThan(3)
  },
)

/** Each changes one thing of which a policy is made. */
const CHANGES: readonly (readonly [string, (device: Switch, port: Port) => void])[] = [
  ['VLAN mode', modified({ vlanMode: 'dot1q-tunnel' })],
  ['rate', modified({ maxRate: 3_000_000 })],
  ['burst', modified({ burst: 9000 })],
  ['minimum', modified({ minRate: 1_000_000 })],
  ['share', modified({ share: { name: 'ours', maxRate: 5_000_000, burst: 9000 } })],
  ['list of queues', modified({ queues: [{ queue: 7, minRate: 100_000, dscps: [10] }] })],
  ['meter', (device, { number }) => device.meters.set(meterOf(number, 3_000_000n), 0)],
]

function modified(part: Partial<PortConfig>) {
  return (device: Switch, { config }: Port) => device.ports.modify({ ...config, ...part })
}

test.each(CHANGES)('a port with another %s has another policy', async (_what, apply) => {
  const { device } = await started(1)
  const book = new PolicyBook(device)
  const port = [...device.ports].find(({ config }) => config.type === 'vnic')!
  const before = book.of(port)
  apply(device, port)
  expect(book.of(port)).not.toBe(before)
  expect(book.of(port)).toBe(policyAt(device, port.name, port.number))
})

test('a flow that speaks of two ports is written for each as that one sees it', async () => {
  const { device, wanted } = await started(1)
  const [from, to] = [1001, 1002].map((number) =>
    device.ports.add({ number, name: `port${number}`, type: 'vnic', state: 'open' }),
  )
  const match: Match = [
    { field: 'in_port', value: BigInt(from!.number) },
    { field: Register.To, value: BigInt(to!.number) },
  ]
  const flow = [...wanted.flows.values()].find(isPolicy)!
  const instructions = { apply: [], clear: true, write: [] }
  device.tables.applyBundle([frozen({ type: 'flowMod', command: 'add', cookieMask: 0n, ...flow, match, instructions })])
  const book = new PolicyBook(device)
  for (const port of [from!, to!]) expect(book.of(port)).toBe(policyAt(device, port.name, port.number))
  expect(book.of(from!)).not.toBe(book.of(to!))
})

test.each(SEEDS)(
  'a switch has the flows that are wanted exactly where comparing all shows it (seed %i)',
  async (seed) => {
    const { device, wanted } = await started(seed)
    const random = seeded(seed)
    const mods = (specs: Iterable<FlowSpec>, command: 'add' | 'delete-strict') =>
      [...specs].map((flow) => ({ type: 'flowMod' as const, cookieMask: 0n, ...flow, command }))
    const anew = () => [...mods(flowsOf(device).values(), 'delete-strict'), ...mods(wanted.flows.values(), 'add')]
    const answers = new Set<boolean>()
    for (let round = 0; round < ROUNDS; round++) {
      const found = stateOf(device, wanted)
      const isSame = hasFlows(device, wanted)
      expect(isSame).toBe(
        departure({ ...found, flows: flowsOf(device) }, { ...wanted, ports: found.ports, meters: found.meters }) ===
          undefined,
      )
      answers.add(isSame)
      if (random.below(3) === 0) device.tables.applyBundle(anew())
      else change(random, device, wanted)
    }
    expect(answers.size).toBe(2)
  },
)
