// The judge looks at no flow and no connection of any switch. So the app of the security groups is broken here, each time in its own way, and
// every time the judge has to find it.

import { expect, test } from 'vitest'
import { securityGroups } from '../../controller/apps/security-groups.ts'
import { Register, Table } from '../../controller/tables.ts'
import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { CtState } from '../../protocols/fields.ts'
import { seeded } from '../../runtime/random.ts'
import { breakApp } from '../support/broken-app.ts'
import { play, randomTalk } from '../support/talking-guests.ts'

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

/** What the judge has to say of frames in all scenarios, up to the first with which it is not content. */
async function findings(): Promise<number> {
  for (const seed of SEEDS) {
    const { lab } = await play(randomTalk(seeded(seed)), [])
    const { leaked, lost } = lab.judge.frames
    if (leaked + lost > 0) return leaked + lost
  }
  return 0
}

test('the judge is content with a whole app', async () => {
  expect(await findings()).toBe(0)
})

test.each(BREAKAGES)('the judge finds it where %s', async (_, how) => {
  breakApp(securityGroups, how)
  expect(await findings()).toBeGreaterThan(0)
})

test('and says which groups a frame got past, and which rule they lack', async () => {
  breakApp(securityGroups, alsoOpen(Table.RulesToVm, Table.Egress))
  const { lab } = await play(randomTalk(seeded(35)), [])
  expect(lab.judge.leaks[0]?.why).toMatch(
    /^vm\d:eth0 is in .*: no ingress rule for .* from 10\.0\.\d+\.\d+.* to 10\.0\./,
  )
})
