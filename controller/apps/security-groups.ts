// Security groups. A frame of a vNIC that has some is held against them twice: those of its sender, and those of its receiver.
//
// Connections are tracked, in a zone for each vNIC. What began a connection stands in the connection's tuple (ct_nw_src, ct_tp_dst, …), for
// its answers and for errors about it as well. So one flow for a rule judges all frames of a connection, in both directions, at any time:
// once the rule is gone, so are its connections. Those of a group that lets them outlive their rule are marked as they are committed.
//
// Rules are the same for all vNICs with the same groups: `Register.Combination` says which. Who is at the far end, where a rule says that by
// a name, is a conjunction of (combination, service) and (address): no flow is for both, so a member more is one flow more. Each name has
// clauses of a priority of its own, so that no two of them ever share a flow.

import type { Action, FlowSpec, MeterBand } from '../../protocols/control/messages.ts'
import { CtState } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Binding, Place } from '../network/bindings.ts'
import { placeOn } from '../network/bindings.ts'
import type { SwitchGroups } from '../network/security-groups.ts'
import { combinationOf } from '../network/security-groups.ts'
import type { SwitchView } from '../network/view.ts'
import { Register, Side, Table } from '../tables.ts'
import type { App } from './app.ts'
import { ARP, CLEAR_CONNECTION, fromPort, icmpv6, IPV4, IPV6, is, RARP, resubmit, set, writerFor } from './flow.ts'
import { ruleFlows, tracked, UNTRACKED, ZONE } from './security-group-rules.ts'

const flow = writerFor('security_groups')

const TABLES = [Table.RulesFromVm, Table.RulesToVm] as const
const fromVm = is(Register.Side, Side.FromVm)
const toVm = is(Register.Side, Side.ToVm)

const LISTENERS = [130, 131, 132, 143]
const ROUTER_SOLICITATION = 133
const ROUTER_ADVERTISEMENT = 134
const NEIGHBOURS = [135, 136]
const REDIRECT = 137
/** Router and neighbour discovery (RFC 4861), multicast listeners (RFC 2710, RFC 3810). */
const SENT_BY_GUESTS = [...LISTENERS, ROUTER_SOLICITATION, ...NEIGHBOURS]
const HEARD_BY_GUESTS = [...LISTENERS, ROUTER_ADVERTISEMENT, ...NEIGHBOURS, REDIRECT]

const datagram = (family: FieldMatch, from: number, to: number): FieldMatch[] => [
  family,
  is('nw_proto', IpProtocol.Udp),
  is('udp_src', from),
  is('udp_dst', to),
]
const DHCP_QUESTIONS = [datagram(IPV4, 68, 67), datagram(IPV6, 546, 547)]
const DHCP_ANSWERS = [datagram(IPV4, 67, 68), datagram(IPV6, 547, 546)]

/** What the network itself needs is nobody's to forbid. */
const allowances = (table: number, discovery: readonly number[], addressing: readonly FieldMatch[][]): FlowSpec[] =>
  [[ARP], [RARP], ...discovery.map(icmpv6), ...addressing].map((match) =>
    flow({ table, priority: 65_300, match: [UNTRACKED, ...match], goto: Table.Admitted }),
  )

/** Connections are judged by the rules for whoever began them. */
const DISPATCH: readonly FlowSpec[] = [
  ...TABLES.map((table) => flow({ table, priority: 65_400, match: [tracked(CtState.Invalid)] })),
  flow({
    table: Table.RulesFromVm,
    priority: 65_300,
    match: [fromVm, tracked(CtState.Reply)],
    goto: Table.RulesToVm,
  }),
  flow({
    table: Table.RulesToVm,
    priority: 65_300,
    match: [toVm, tracked(CtState.Reply)],
    actions: [resubmit(Table.RulesFromVm)],
  }),
]

/** Bit of ct_mark: the connection outlives the rule that has allowed it. */
const KEPT: FieldMatch = { field: 'ct_mark', value: 1n, mask: 1n }

const KEPT_CONNECTIONS = TABLES.flatMap((table) =>
  [CtState.Established, CtState.Related].map((state) =>
    flow({ table, priority: 65_200, match: [tracked(state), KEPT], goto: Table.Admitted }),
  ),
)

const commit = (actions: Action[]): Action => ({
  type: 'ct',
  commit: true,
  force: false,
  zone: ZONE,
  alg: 0,
  actions,
})
const onwards = (side: FieldMatch, goOn: { actions?: Action[]; goto?: number }): FlowSpec[] => {
  const { actions = [], ...rest } = goOn
  const fresh = (kept: number, marks: Action[]) =>
    [IPV4, IPV6].map((family) =>
      flow({
        table: Table.Admitted,
        priority: 100,
        match: [side, tracked(CtState.New), family, is(Register.Kept, kept)],
        actions: [commit(marks), ...actions],
        ...rest,
      }),
    )
  return [
    ...fresh(0, []),
    ...fresh(1, [{ type: 'set_field', field: 'ct_mark', value: 1n, mask: 1n }]),
    flow({ table: Table.Admitted, priority: 50, match: [side], actions, ...rest }),
  ]
}

const ALWAYS: readonly FlowSpec[] = [
  flow({ table: Table.TrackFromVm, priority: 0, match: [], goto: Table.Qos }),
  flow({ table: Table.TrackToVm, priority: 0, match: [], goto: Table.Egress }),
  ...TABLES.map((table) => flow({ table, priority: 0, match: [] })),
  flow({ table: Table.Admitted, priority: 0, match: [] }),
  ...allowances(Table.RulesFromVm, SENT_BY_GUESTS, DHCP_QUESTIONS),
  ...allowances(Table.RulesToVm, HEARD_BY_GUESTS, DHCP_ANSWERS),
  ...DISPATCH,
  ...KEPT_CONNECTIONS,
  ...onwards(fromVm, { actions: [resubmit(Table.Qos)] }),
  ...onwards(toVm, { goto: Table.Egress }),
]

export const securityGroups: App = {
  always: ALWAYS,
  ofVnic: atPort,
  ofGroups: (groups) => {
    const { own, shared } = ruleFlows(groups)
    return { own: [...own, ...rejections(groups)], shared }
  },
}

/** Of frames that are denied and to be answered, the controller hears of so much at most: bits a second, and bits at once. */
const REJECTED = { rate: 1_000_000n, burst: 250_000n } as const
const REJECTION_METER = 1
/** Bytes that an answer quotes, at most, and what is around them. */
const TOLD = 1280

const rejecting = ({ combinations }: SwitchGroups) => [...combinations.values()].filter(({ rejects }) => rejects)

/** By number. */
export const rejectionMeters = (groups: SwitchGroups): [number, MeterBand][] =>
  rejecting(groups).length === 0 ? [] : [[REJECTION_METER, { type: 'drop', ...REJECTED }]]

const rejections = (groups: SwitchGroups): FlowSpec[] =>
  rejecting(groups).flatMap(({ number }) =>
    TABLES.flatMap((table) =>
      [IPV4, IPV6].map((family) =>
        flow({
          table,
          priority: 5,
          match: [is(Register.Combination, number), family],
          actions: [{ type: 'controller', maxLength: TOLD, meter: REJECTION_METER }],
        }),
      ),
    ),
  )

function atPort(at: SwitchView, binding: Binding): FlowSpec[] {
  const key = combinationOf(binding.nic.policy)
  if (key === undefined) return []
  const { number } = at.groups.combinations.get(key)!
  return held(placeOn(binding, at.name)!, number, at.zones.get(binding.nic.id)!)
}

/** What identifies the flow that says which groups, and which zone, a vNIC that sends has. */
export const wayIn = (port: number) => ({ table: Table.TrackFromVm, priority: 100, match: [fromPort(port)] })

/** All its attachments have the vNIC's own groups. */
function held({ port }: Place, combination: number, zone: number): FlowSpec[] {
  const asked = (side: number): Action[] => [
    // A user's flow may have had it tracked, and the sender's groups have.
    CLEAR_CONNECTION,
    set(Register.Combination, combination),
    set(Register.Zone, zone),
    set(Register.Side, side),
    set(Register.Kept, 0),
  ]
  return [
    flow({
      ...wayIn(port),
      actions: asked(Side.FromVm),
      goto: Table.RulesFromVm,
    }),
    flow({
      table: Table.TrackToVm,
      priority: 100,
      match: [{ field: Register.To, value: BigInt(port), mask: 0xffffn }],
      actions: asked(Side.ToVm),
      goto: Table.RulesToVm,
    }),
  ]
}
