// Groups as `ovs-ofctl -O OpenFlow15 dump-groups` prints them; over OpenFlow 1.3 buckets have no numbers, and groups no method.

import type { Bucket, GroupSpec, SelectionMethod } from '../control/messages.ts'
import type { FieldName } from '../fields.ts'
import { FIELDS, fieldOf } from '../fields.ts'
import type { FieldMatch } from '../match.ts'
import type { FlowTextOptions } from './ports.ts'
import { formatPort } from './ports.ts'
import { printActions } from './print-actions.ts'
import { actionName } from './subfields.ts'
import { formatInAction } from './values.ts'

export function printGroup(group: GroupSpec, options: FlowTextOptions = {}): string {
  const said = [
    `group_id=${group.group}`,
    `type=${group.groupType === 'fast_failover' ? 'ff' : group.groupType}`,
    ...(group.selection === undefined ? [] : selectionText(group.selection, options)),
    ...group.buckets.map((bucket) => `bucket=${printBucket(bucket, options)}`),
  ]
  return said.join(',')
}

function printBucket({ id, weight, watchPort, watchGroup, actions }: Bucket, options: FlowTextOptions): string {
  const said = [
    ...(id === undefined ? [] : [`bucket_id:${id}`]),
    ...(weight === undefined || weight === 1 ? [] : [`weight:${weight}`]),
    ...(watchPort === undefined ? [] : [`watch_port:${formatPort(watchPort, options)}`]),
    ...(watchGroup === undefined ? [] : [`watch_group:${watchGroup}`]),
  ]
  return [...said, `actions=${printActions(actions, options)}`].join(',')
}

function selectionText({ method, parameter, fields }: SelectionMethod, options: FlowTextOptions): string[] {
  const names = HASH_ORDER.flatMap((name) => fields.filter((part) => part.field === name)).map((part) =>
    hashField(part, options),
  )
  return [
    `selection_method=${method}`,
    ...(parameter === 0n ? [] : [`selection_method_param=${parameter}`]),
    ...(names.length === 0 ? [] : [names.length === 1 ? `fields=${names[0]}` : `fields(${names.join(',')})`]),
  ]
}

function hashField({ field: name, value }: FieldMatch, options: FlowTextOptions): string {
  const field = fieldOf(name)
  return value === field.ones ? actionName(name) : `${actionName(name)}=${formatInAction(field, { value }, options)}`
}

/** Open vSwitch lists fields to hash in the order of its own table (openvswitch/meta-flow.h), which is not that of a match. */
const HASH_ORDER: readonly FieldName[] = inOrderOf([
  /^conj_id$/,
  /^tun_/,
  /^metadata$/,
  /^in_/,
  /^actset_output$/,
  /^pkt_mark$/,
  /^ct_(state|zone|mark|label)$/,
  /^ct_nw_proto$/,
  /^ct_nw_/,
  /^ct_ipv6_/,
  /^ct_/,
  /reg/,
  /^eth_/,
  /^vlan_/,
  /^mpls_(label|tc|bos)$/,
  /^mpls_/,
  /^(nw|ipv6)_(src|dst)$/,
  /^ipv6_/,
  /^nw_proto$/,
  /^(ip|nw)_/,
  /^arp_op$/,
  /^arp_/,
  /^tcp_/,
  /^udp_/,
  /^sctp_/,
])

/** Fields by the first of `patterns` that their names meet, otherwise in the order of fields.ts. */
function inOrderOf(patterns: readonly RegExp[]): FieldName[] {
  const place = (name: FieldName) => {
    const index = patterns.findIndex((pattern) => pattern.test(name))
    return index < 0 ? patterns.length : index
  }
  return FIELDS.map(({ name }) => name).toSorted((a, b) => place(a) - place(b))
}
