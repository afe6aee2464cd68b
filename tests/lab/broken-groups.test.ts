// The judge looks at no flow and no connection of any switch. So the app of the security groups is broken here, each time in its own way, and
// every time the judge has to find it.

import { afterAll, afterEach, expect, test, vi } from 'vitest'
import type { App } from '../../controller/apps/app.ts'
import { Register, Table } from '../../controller/tables.ts'
import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { CtState } from '../../protocols/fields.ts'
import { seeded } from '../../runtime/random.ts'

// Test files share their modules: those already there were loaded with whole apps, and those of here are not for others.
vi.hoisted(() => vi.resetModules())
afterAll(() => vi.resetModules())

const broken = vi.hoisted(() => ({ how: (flows: unknown[]): unknown[] => flows }))

vi.mock('../../controller/apps/security-groups.ts', async (original) => {
  const module = await original<Record<string, unknown>>()
  const app = module.securityGroups as App
  const changed = (flows: readonly FlowSpec[]) => broken.how([...flows]) as FlowSpec[]
  const wrapped: App = {
    get always() {
      return changed(app.always ?? [])
    },
    ofVnic: (...args) => changed(app.ofVnic?.(...args) ?? []),
    ofGroups: (groups) => {
      const { own, shared } = app.ofGroups!(groups)
      return { own: changed(own), shared }
    },
  }
  return { ...module, securityGroups: wrapped }
})

const withActions = (flow: FlowSpec, change: (actions: Action[]) => Action[]): FlowSpec => ({
  ...flow,
  instructions: { ...flow.instructions, apply: change(flow.instructions.apply) },
})

/** One flow more, beside the one that denies what no rule allows. */
const alsoOpen = (table: number, next: number) => (flows: FlowSpec[]) =>
  flows.flatMap((flow) =>
    flow.table === table && flow.priority === 0
      ? [flow, { ...flow, priority: 4, instructions: { ...flow.instructions, gotoTable: next } }]
      : [flow],
  )

const isTracked = ({ match }: FlowSpec, bit: number) =>
  match.some(({ field, value }) => field === 'ct_state' && (value & BigInt(bit)) !== 0n)
const sets = (field: string) => (action: Action) => action.type === 'set_field' && action.field === field
const isService = (field: string) => ['ct_nw_proto', 'ct_tp_dst'].includes(field)
const isCommit = (action: Action) => action.type === 'ct' && action.commit

const BREAKAGES: [string, (flows: FlowSpec[]) => FlowSpec[]][] = [
  ['whatever comes is let in', alsoOpen(Table.RulesToVm, Table.Egress)],
  ['whatever a VM says is let out', alsoOpen(Table.RulesFromVm, Table.Qos)],
  [
    'what comes to VMs is held against no group',
    (flows) => flows.filter(({ table, priority }) => table !== Table.TrackToVm || priority === 0),
  ],
  [
    'what VMs say is held against no group',
    (flows) => flows.filter(({ table, priority }) => table !== Table.TrackFromVm || priority === 0),
  ],
  ['answers are strangers', (flows) => flows.filter((flow) => !isTracked(flow, CtState.Reply))],
  [
    'no connection is remembered',
    (flows) => flows.map((flow) => withActions(flow, (actions) => actions.filter((action) => !isCommit(action)))),
  ],
  [
    'rules forget protocol and port',
    (flows) => flows.map((flow) => ({ ...flow, match: flow.match.filter(({ field }) => !isService(field)) })),
  ],
  [
    'every vNIC is under the first groups',
    (flows) =>
      flows.map((flow) =>
        withActions(flow, (actions) =>
          actions.map((action) => (sets(Register.Combination)(action) ? { ...action, value: 1n } : action) as Action),
        ),
      ),
  ],
]

const SEEDS = [15, 35, 3, 11, 4]

/** The controller is loaded anew: what it puts on every switch is made once. */
function loaded() {
  vi.resetModules()
  return import('../support/talking-guests.ts')
}

/** What the judge has to say of frames in all scenarios, up to the first with which it is not content. */
async function findings(): Promise<number> {
  const { play, randomTalk } = await loaded()
  for (const seed of SEEDS) {
    const { lab } = await play(randomTalk(seeded(seed)), [])
    const { leaked, lost } = lab.judge.frames
    if (leaked + lost > 0) return leaked + lost
  }
  return 0
}

afterEach(() => {
  broken.how = (flows) => flows
})

test('the judge is content with a whole app', async () => {
  expect(await findings()).toBe(0)
})

test.each(BREAKAGES)('the judge finds it where %s', async (_, how) => {
  broken.how = how as (flows: unknown[]) => unknown[]
  expect(await findings()).toBeGreaterThan(0)
})

test('and says which groups a frame got past, and which rule they lack', async () => {
  broken.how = alsoOpen(Table.RulesToVm, Table.Egress) as (flows: unknown[]) => unknown[]
  const { play, randomTalk } = await loaded()
  const { lab } = await play(randomTalk(seeded(35)), [])
  expect(lab.judge.leaks[0]?.why).toMatch(
    /^vm\d:eth0 is in .*: no ingress rule for .* from 10\.0\.\d+\.\d+.* to 10\.0\./,
  )
})
