// The rules of security groups as flows: what a combination of groups allows, and who stands behind the names in its rules.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { CtState } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { parsePrefix } from '../../topologies/subnets.ts'
import type { SecurityGroupRule } from '../../topologies/topology.ts'
import type { Combination, FarAddress, GroupRule, Shared, SwitchGroups } from '../network/security-groups.ts'
import { Register, Table } from '../tables.ts'
import type { GroupPart } from './app.ts'
import { many } from './app.ts'
import { inNetwork, IPV4, IPV6, is, set, writerFor } from './flow.ts'
import { portPrefixes } from './port-prefixes.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('security_groups')

const connectionIs = (on: number, off = 0): FieldMatch => ({
  field: 'ct_state',
  value: BigInt(on),
  mask: BigInt(on | off),
})
/** Tracked, with these bits set. */
export const tracked = (on: number): FieldMatch => connectionIs(CtState.Tracked | on)
export const UNTRACKED: FieldMatch = connectionIs(0, CtState.Tracked)
/** Of a connection that is known, or could be one: its tuple means something. */
const SOUND = connectionIs(CtState.Tracked, CtState.Invalid)
const FORWARD = connectionIs(CtState.Tracked, CtState.Invalid | CtState.Reply)
const BACKWARD = connectionIs(CtState.Tracked | CtState.Reply, CtState.Invalid)

/** Rules whose connections outlive them go first, so that these are marked whatever else allows them. */
const PLAIN = { cut: 32_000, keep: 65_000 } as const
const plainPriority = (keep: boolean): number => (keep ? PLAIN.keep : PLAIN.cut)
/** The number of a far end is 30,000 at most. */
const clausePriority = (keep: boolean, far: number): number => (keep ? PLAIN.cut + 1000 : 1000) + far

const tableOf = ({ direction }: SecurityGroupRule): number =>
  direction === 'egress' ? Table.RulesFromVm : Table.RulesToVm

const admit = (keep: boolean) => ({ actions: keep ? [set(Register.Kept, 1)] : [], goto: Table.Admitted })

/** The flows of all rules that vNICs of a switch are under. */
export function ruleFlows({ combinations }: SwitchGroups): { own: FlowSpec[]; shared: GroupPart[] } {
  const all = [...combinations.values()]
  const uses = usesOf(all.flatMap(({ rules }) => rules))
  return {
    own: [...all.flatMap((combination) => combinationFlows(combination)), ...uses.map(admission)],
    shared: uses.map(addressesOf),
  }
}

/** A far end as some rule has it: each such pair of table and number is a conjunction. */
interface Use {
  readonly table: number
  readonly version: 4 | 6
  readonly stateful: boolean
  readonly keep: boolean
  readonly far: number
}

const conjunctionOf = ({ far, keep }: { far: number; keep: boolean }): number => 2 * far + (keep ? 1 : 0)

function usesOf(rules: readonly GroupRule[]): Use[] {
  const uses = new Map<string, Use>()
  for (const { rule, stateful, keep, far } of rules) {
    if (far === undefined) continue
    const use = { table: tableOf(rule), version: versionOf(rule), stateful, keep, far }
    uses.set(Object.values(use).join(' '), use)
  }
  return [...uses.values()]
}

const versionOf = ({ ethertype }: SecurityGroupRule): 4 | 6 => (ethertype === 'IPv4' ? 4 : 6)

const admission = ({ table, keep, far }: Use): FlowSpec =>
  flow({
    table,
    priority: clausePriority(keep, far),
    match: [is('conj_id', conjunctionOf({ far, keep }))],
    ...admit(keep),
  })

// ---- A combination -----------------------------------------------------------------------------------------------

/** The same on every switch. */
const combinationFlows = once(({ number, tracks, rules }: Combination): readonly FlowSpec[] => {
  const here = is(Register.Combination, number)
  const plain = rules
    .filter(({ far }) => far === undefined)
    .flatMap(({ rule, stateful, keep }) =>
      services(rule, stateful).map((match) =>
        flow({
          table: tableOf(rule),
          priority: plainPriority(keep),
          match: [here, ...match, ...prefixOf(rule, stateful)],
          ...admit(keep),
        }),
      ),
    )
  return [...plain, ...serviceClauses(here, rules), ...(tracks ? trackings(here) : [])]
})

/** Of the vNIC at hand. */
export const ZONE = { field: Register.Zone, offset: 0, bits: 16 } as const

/** What no rule without connections allows is looked up among the connections of the vNIC. */
const trackings = (here: FieldMatch): FlowSpec[] =>
  [Table.RulesFromVm, Table.RulesToVm].flatMap((table) =>
    [IPV4, IPV6].map((family) =>
      flow({
        table,
        priority: 10,
        match: [here, UNTRACKED, family],
        actions: [{ type: 'ct', commit: false, force: false, zone: ZONE, table, alg: 0, actions: [] }],
      }),
    ),
  )

/** First clauses. */
const serviceClauses = (here: FieldMatch, rules: readonly GroupRule[]): FlowSpec[] =>
  rules.flatMap(({ rule, stateful, keep, far }) =>
    far === undefined
      ? []
      : services(rule, stateful).map((match) =>
          flow({
            table: tableOf(rule),
            priority: clausePriority(keep, far),
            match: [here, ...match],
            actions: [clause({ far, keep }, 1)],
          }),
        ),
  )

const clause = (of: { far: number; keep: boolean }, number: 1 | 2) =>
  ({ type: 'conjunction', id: conjunctionOf(of), clause: number, clauses: 2 }) as const

// ---- Services ----------------------------------------------------------------------------------------------------

/** What a rule says of protocol and ports: as many matches as its ports take prefixes. */
function services(rule: SecurityGroupRule, stateful: boolean): FieldMatch[][] {
  const family = rule.ethertype === 'IPv4' ? IPV4 : IPV6
  if (!stateful) return packetServices(rule).map((match) => [UNTRACKED, family, ...match])
  if (rule.protocol === IpProtocol.Sctp && rule.ports !== undefined) return sctpServices(rule, family)
  return connectionServices(rule).map((match) => [SOUND, family, ...match])
}

function connectionServices({ protocol, ports, icmpType, icmpCode }: SecurityGroupRule): FieldMatch[][] {
  if (protocol === undefined) return [[]]
  const base = [is('ct_nw_proto', protocol)]
  if (ports !== undefined) return portPrefixes(ports).map((range) => [...base, { field: 'ct_tp_dst', ...range }])
  // In a connection's tuple, type and code stand where others have ports.
  const type = icmpType === undefined ? [] : [is('ct_tp_src', icmpType)]
  const code = icmpCode === undefined ? [] : [is('ct_tp_dst', icmpCode)]
  return [[...base, ...type, ...code]]
}

/** Not every connection tracker knows SCTP's ports: they are read off the frames. */
const sctpServices = ({ ports }: SecurityGroupRule, family: FieldMatch): FieldMatch[][] =>
  portPrefixes(ports!).flatMap((range) => {
    const sctp = [family, is('nw_proto', IpProtocol.Sctp)]
    return [
      [FORWARD, ...sctp, { field: 'sctp_dst', ...range }],
      [BACKWARD, ...sctp, { field: 'sctp_src', ...range }],
    ]
  })

const PORTS: Readonly<Record<number, FieldName>> = {
  [IpProtocol.Tcp]: 'tcp_dst',
  [IpProtocol.Udp]: 'udp_dst',
  [IpProtocol.Sctp]: 'sctp_dst',
}

function packetServices({ ethertype, protocol, ports, icmpType, icmpCode }: SecurityGroupRule): FieldMatch[][] {
  if (protocol === undefined) return [[]]
  const base = [is('nw_proto', protocol)]
  const field = PORTS[protocol]
  if (ports !== undefined && field !== undefined)
    return portPrefixes(ports).map((range) => [...base, { field, ...range }])
  const icmp = ethertype === 'IPv4' ? 'icmp' : 'icmpv6'
  const type = icmpType === undefined ? [] : [is(`${icmp}_type`, icmpType)]
  const code = icmpCode === undefined ? [] : [is(`${icmp}_code`, icmpCode)]
  return [[...base, ...type, ...code]]
}

// ---- Addresses ---------------------------------------------------------------------------------------------------

const WIDTH = { 4: 32, 6: 128 } as const

const CONNECTION_FIELDS = {
  [Table.RulesFromVm]: { 4: 'ct_nw_dst', 6: 'ct_ipv6_dst' },
  [Table.RulesToVm]: { 4: 'ct_nw_src', 6: 'ct_ipv6_src' },
} as const
const PACKET_FIELDS = {
  [Table.RulesFromVm]: { 4: 'nw_dst', 6: 'ipv6_dst' },
  [Table.RulesToVm]: { 4: 'nw_src', 6: 'ipv6_src' },
} as const

interface Prefix {
  readonly version: 4 | 6
  readonly first: bigint
  readonly prefix: number
}

function within({ version, first, prefix }: Prefix, table: number, stateful: boolean): FieldMatch[] {
  if (prefix === 0) return []
  const fields = stateful ? CONNECTION_FIELDS : PACKET_FIELDS
  const field = fields[table as keyof typeof fields][version]
  const width = WIDTH[version]
  if (prefix === width) return [is(field, first)]
  return [{ field, value: first, mask: ((1n << BigInt(prefix)) - 1n) << BigInt(width - prefix) }]
}

function prefixOf(rule: SecurityGroupRule, stateful: boolean): FieldMatch[] {
  if (rule.remote?.kind !== 'prefix') return []
  return within(parsePrefix(rule.remote.prefix), tableOf(rule), stateful)
}

/** Second clauses: one for each address, the same on every switch that has such a rule. */
function addressesOf({ table, version, stateful, keep, far }: Use): GroupPart {
  const family = version === 4 ? IPV4 : IPV6
  const state = stateful ? SOUND : UNTRACKED
  const flowOf = (address: FarAddress): FlowSpec =>
    flow({
      table,
      priority: clausePriority(keep, far),
      match: [
        ...(address.network === undefined ? [] : [inNetwork(address.network)]),
        state,
        family,
        ...within(address, table, stateful),
      ],
      actions: [clause({ far, keep }, 2)],
    })
  const name = `${far} in ${table} ${version} ${stateful} ${keep}`
  const flows = ({ address }: Shared) => (address.version === version ? [flowOf(address)] : [])
  return { name, far, of: ({ addresses }) => many(name, addresses, [], flows) }
}
