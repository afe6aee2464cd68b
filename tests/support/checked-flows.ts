// Actions and flow mods in few words, and what a switch says of them.

import type { CheckContext } from '../../datapath/flow-check.ts'
import { checkFlowMod } from '../../datapath/flow-check.ts'
import type {
  Action,
  BundleAction,
  CtAction,
  FlowMod,
  Instructions,
  LearnAction,
  Subfield,
} from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { flowMod, refusalOf } from './test-tables.ts'

export const there: CheckContext = {
  meterExists: (meter) => meter === 1,
  groupExists: (group) => group === 1,
  consistent: true,
}
export const is = (field: FieldName, value: number, mask?: number): FieldMatch => ({
  field,
  value: BigInt(value),
  ...(mask !== undefined && { mask: BigInt(mask) }),
})
export const ip: Match = [is('eth_type', 0x0800)]
export const ipv6: Match = [is('eth_type', 0x86dd)]
export const tcp: Match = [...ip, is('nw_proto', 6)]
export const mpls: Match = [is('eth_type', 0x8847)]
export const tagged: Match = [is('vlan_vid', 0x1005)]

export const whole = (field: FieldName): Subfield => ({ field, offset: 0, bits: fieldOf(field).bits })
export const part = (field: FieldName, offset: number, bits: number): Subfield => ({ field, offset, bits })
export const set = (field: FieldName, value: number, mask?: number): Action => ({
  type: 'set_field',
  ...is(field, value, mask),
})
export const output: Action = { type: 'output', port: 1 }
export const push: Action = { type: 'push_vlan', etherType: 0x8100 }
export const pushMpls: Action = { type: 'push_mpls', etherType: 0x8847 }
export const popMpls = (etherType: number): Action => ({ type: 'pop_mpls', etherType })
export const clone = (...actions: Action[]): Action => ({ type: 'clone', actions })
export const conjunction = (clause: number, clauses: number): Action => ({
  type: 'conjunction',
  id: 1,
  clause,
  clauses,
})
export const note: Action = { type: 'note', data: new Uint8Array(6) }
export const nestedClones = (depth: number): Action => (depth === 1 ? clone() : clone(nestedClones(depth - 1)))
export const ct = (given: Partial<CtAction> = {}): Action => ({
  type: 'ct',
  commit: false,
  force: false,
  zone: 0,
  alg: 0,
  actions: [],
  ...given,
})
export const nat = (given: Partial<Extract<Action, { type: 'nat' }>> = {}): Action => ({ type: 'nat', ...given })
export const v4 = { family: 4, first: 1n, last: 2n } as const
export const v6 = { family: 6, first: 1n, last: 2n } as const
export const bundle = (given: Partial<BundleAction>): Action => ({
  type: 'bundle',
  fields: 'eth_src',
  basis: 0,
  algorithm: 'hrw',
  members: [1],
  ...given,
})
export const multipath = (links: number, to: Subfield): Action => ({
  type: 'multipath',
  fields: 'eth_src',
  basis: 0,
  algorithm: 'modulo_n',
  links,
  argument: 0,
  to,
})
export const learn = (given: Partial<LearnAction>): Action => ({
  type: 'learn',
  table: 1,
  priority: 1,
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  finIdleTimeout: 0,
  finHardTimeout: 0,
  sendFlowRemoved: false,
  deleteLearned: false,
  limit: 0,
  specs: [],
  ...given,
})
export const sample = (probability: number): Action => ({
  type: 'sample',
  probability,
  collectorSet: 0,
  observationDomain: 0,
  observationPoint: 0,
})

export const applying = (match: Match, ...apply: Action[]): Partial<FlowMod> => ({
  match,
  instructions: { apply, clear: false, write: [] },
})
export const writing = (match: Match, ...write: Action[]): Partial<FlowMod> => ({
  match,
  instructions: { apply: [], clear: false, write },
})
export const instructing = (given: Partial<Instructions>, table = 0): Partial<FlowMod> => ({
  table,
  instructions: { apply: [], clear: false, write: [], ...given },
})

export const refusal = (mod: Partial<FlowMod>) => refusalOf(() => checkFlowMod(flowMod(mod), there))
export const code = (mod: Partial<FlowMod>) => refusal(mod)?.code
