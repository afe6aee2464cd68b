// The judge does not look at flows. So the controller's apps are broken here, one at a time and each in its own way, and every
// time the verdict has to turn.

import { expect, test } from 'vitest'
import type { App } from '../../controller/apps/app.ts'
import { classifier } from '../../controller/apps/classifier.ts'
import { egress } from '../../controller/apps/egress.ts'
import { flooding } from '../../controller/apps/flooding.ts'
import { forwarding } from '../../controller/apps/forwarding.ts'
import { neighbours } from '../../controller/apps/neighbours.ts'
import { portSecurity } from '../../controller/apps/port-security.ts'
import { qos } from '../../controller/apps/qos.ts'
import { Table } from '../../controller/tables.ts'
import { replay } from '../../lab/replay.ts'
import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario, Step } from '../../topologies/scenario.ts'
import { breakApp } from '../support/broken-app.ts'

const nic = (network: string, number: number, rest: object = {}) => ({
  name: 'eth0',
  network,
  mac: `02:00:00:00:00:0${number}`,
  addresses: [`10.0.0.${number}`],
  ...rest,
})

const asked = JSON.stringify({
  version: 1,
  name: 'broken-apps',
  hosts: [
    { name: 'h1', vtep: '192.0.2.1' },
    { name: 'h2', vtep: '192.0.2.2' },
  ],
  networks: [
    { name: 'blue', type: 'vlan', segment: 10 },
    { name: 'green', type: 'vxlan', segment: 5000 },
  ],
  vms: [
    { name: 'a', host: 'h1', nics: [nic('blue', 1, { policy: { dscp: 46 } })] },
    { name: 'b', host: 'h1', nics: [nic('blue', 2)] },
    { name: 'c', host: 'h2', nics: [nic('blue', 3)] },
    { name: 'd', host: 'h1', nics: [nic('green', 4)] },
    { name: 'e', host: 'h2', nics: [nic('green', 5)] },
    {
      name: 'r',
      host: 'h2',
      nics: [nic('blue', 6, { trunks: [{ tag: 77, network: 'green', addresses: ['10.0.0.7'] }] })],
    },
  ],
})

const steps: Step[] = [
  ...['a b', 'a c', 'c a', 'd e', 'e d', 'b r', 'd r'].map((pair): Step => {
    const [from, to] = pair.split(' ') as [string, string]
    const number = { a: 1, b: 2, c: 3, d: 4, e: 5, r: 6 }[to]
    return {
      type: 'send',
      from,
      frame: `udp,dl_dst=02:00:00:00:00:0${number},nw_dst=10.0.0.${number},tp_dst=9`,
      count: 2,
      rate: 1000,
    }
  }),
  ...['a', 'd', 'e'].map((from): Step => ({
    type: 'send',
    from,
    frame: 'udp,dl_dst=ff:ff:ff:ff:ff:ff,tp_dst=67',
    count: 1,
    rate: 1,
  })),
  {
    type: 'send',
    from: 'b',
    frame: 'udp,dl_src=02:00:00:00:00:03,dl_dst=02:00:00:00:00:01,nw_src=10.0.0.3,nw_dst=10.0.0.1',
    count: 1,
    rate: 1,
  },
  { type: 'send', from: 'a', frame: 'udp,dl_vlan=20,dl_dst=02:00:00:00:00:04', count: 1, rate: 1 },
  { type: 'send', from: 'b', frame: 'arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_tpa=10.0.0.3', count: 1, rate: 1 },
]

/** With a topology of its own: of one that it knows, a controller may know what follows from it. */
const newScenario = (): Scenario => ({
  name: 'broken-apps',
  topology: parseTopology(asked, 'broken-apps.json'),
  folder: '.',
  seed: 1,
  timeline: steps.map((step, index) => ({ at: index * 10_000_000, step })),
  expect: [],
})

const verdictOf = async () => (await replay(newScenario())).verdict

const withActions = (flow: FlowSpec, change: (actions: Action[]) => Action[]): FlowSpec => ({
  ...flow,
  instructions: { ...flow.instructions, apply: change(flow.instructions.apply) },
})

/** All flows of one table give way to one that sends everything on to `next`. */
const passThrough =
  (table: number, next: number) =>
  (flows: FlowSpec[]): FlowSpec[] => {
    const [some] = flows
    if (some === undefined) return []
    const instructions = { apply: [], write: [], clear: false, gotoTable: next }
    return [
      ...flows.filter((flow) => flow.table !== table),
      { ...some, table, priority: 60_000, match: [], instructions },
    ]
  }

const BREAKAGES: [string, App, (flows: FlowSpec[]) => FlowSpec[]][] = [
  ['port security lets everything through', portSecurity, passThrough(Table.PortSecurity, Table.Qos)],
  ['floods go nowhere', flooding, () => []],
  [
    'floods go out twice',
    flooding,
    (flows) => flows.map((flow) => withActions(flow, (actions) => [...actions, ...actions])),
  ],
  ['known destinations are flooded', forwarding, (flows) => flows.filter(({ match }) => match.length < 2)],
  [
    'one destination is forgotten, and flooded',
    forwarding,
    (flows) =>
      flows.filter(({ match }) => !match.some(({ field, value }) => field === 'eth_dst' && value === 0x020000000003n)),
  ],
  ['two destinations are mixed up', forwarding, swapDestinations],
  [
    'the tag of a VLAN network is taken for another',
    classifier,
    (flows) =>
      flows.map((flow) => ({
        ...flow,
        match: flow.match.map((part) =>
          part.field === 'vlan_vid' && part.value === 0x100an ? { ...part, value: 0x100bn } : part,
        ),
      })),
  ],
  [
    'sub-ports hear their frames untagged',
    egress,
    (flows) =>
      flows.map((flow) =>
        withActions(flow, (actions) =>
          actions.filter(
            ({ type, ...rest }) => type !== 'push_vlan' && !('field' in rest && rest.field === 'vlan_vid'),
          ),
        ),
      ),
  ],
  [
    'requests are answered with a wrong address',
    neighbours,
    (flows) =>
      flows.map((flow) =>
        withActions(flow, (actions) =>
          actions.map((action) =>
            action.type === 'set_field' && action.value === 0x020000000003n
              ? { ...action, value: 0x020000000002n }
              : action,
          ),
        ),
      ),
  ],
  [
    'DSCP is not marked',
    qos,
    (flows) =>
      flows.map((flow) =>
        withActions(flow, (actions) =>
          actions.filter((action) => !(action.type === 'set_field' && action.field === 'ip_dscp')),
        ),
      ),
  ],
]

function swapDestinations(flows: FlowSpec[]): FlowSpec[] {
  const other = new Map([
    [0x020000000002n, 0x020000000003n],
    [0x020000000003n, 0x020000000002n],
  ])
  return flows.map((flow) => ({
    ...flow,
    match: flow.match.map((part) =>
      part.field === 'eth_dst' && other.has(part.value) ? { ...part, value: other.get(part.value)! } : part,
    ),
  }))
}

test('with whole apps the verdict is pass, and the forged frames are dropped by name', async () => {
  const verdict = await verdictOf()
  expect(verdict).toMatchObject({ verdict: 'pass', frames: { injected: 20, lost: 0, leaked: 0 } })
  expect(verdict.frames.dropped).toEqual({ port_security: 1, vlan_mismatch: 1 })
})

test.each(BREAKAGES)('the verdict is fail when %s', async (_, app, how) => {
  breakApp(app, how)
  const { verdict, frames } = await verdictOf()
  expect(frames.leaked + frames.lost + frames.duplicated + frames.unmarked).toBeGreaterThan(0)
  expect(verdict).toBe('fail')
})

test.each([1, 2])('the same seed gives the same digest (seed %i)', async (seed) => {
  const digest = async () => (await replay(newScenario(), { seed })).verdict.digest
  expect(await digest()).toBe(await digest())
})
