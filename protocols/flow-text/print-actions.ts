// Actions and instructions as `ovs-ofctl -O OpenFlow13 dump-flows` prints them.

import type { Action, ControllerAction, Instructions } from '../control/messages.ts'
import { ReservedPort } from '../control/messages.ts'
import { fieldOf } from '../fields.ts'
import { hexadecimal, UINT16, UINT32, UINT64 } from './numbers.ts'
import type { FlowTextOptions } from './ports.ts'
import { formatPort, reservedPortName } from './ports.ts'
import { printCt, printNat } from './print-ct.ts'
import { printLearn } from './print-learn.ts'
import { actionName, formatSubfield } from './subfields.ts'
import { formatInAction } from './values.ts'

/** What follows `actions=`. */
export function printInstructions(instructions: Instructions, options: FlowTextOptions = {}): string {
  const { meter, apply, clear, write, writeMetadata, gotoTable } = instructions
  const text: string[] = []
  if (meter !== undefined) text.push(`meter:${meter}`)
  text.push(...apply.map((action) => printAction(action, options)))
  if (clear) text.push('clear_actions')
  if (write.length > 0) text.push(`write_actions(${printList(write, options)})`)
  if (writeMetadata) text.push(`write_metadata:${hexadecimal(writeMetadata.value)}${metadataMask(writeMetadata.mask)}`)
  if (gotoTable !== undefined) text.push(`goto_table:${gotoTable}`)
  return text.length === 0 ? 'drop' : text.join(',')
}

const metadataMask = (mask: bigint) => (mask === UINT64 ? '' : `/${hexadecimal(mask)}`)

/** A list of actions; `drop` where it is empty. */
export const printActions = (actions: readonly Action[], options: FlowTextOptions = {}): string =>
  actions.length === 0 ? 'drop' : printList(actions, options)

const printList = (actions: readonly Action[], options: FlowTextOptions): string =>
  actions.map((action) => printAction(action, options)).join(',')

type Printer<Type extends Action['type']> = (
  action: Extract<Action, { type: Type }>,
  options: FlowTextOptions,
) => string

const PRINTERS: { [Type in Action['type']]: Printer<Type> } = {
  output: ({ port }, options) => printOutput(port, options),
  output_reg: ({ from }) => `output:${formatSubfield(from)}`,
  output_trunc: ({ port, maxLength }, options) => `output(port=${formatPort(port, options)},max_len=${maxLength})`,
  controller: printController,
  group: ({ group }) => `group:${group}`,
  set_queue: ({ queue }) => `set_queue:${queue}`,
  pop_queue: () => 'pop_queue',
  push_vlan: ({ etherType }) => `push_vlan:${fourDigits(etherType)}`,
  pop_vlan: () => 'pop_vlan',
  set_vlan_vid: ({ vid }) => `mod_vlan_vid:${vid}`,
  set_vlan_pcp: ({ pcp }) => `mod_vlan_pcp:${pcp}`,
  push_mpls: ({ etherType }) => `push_mpls:${fourDigits(etherType)}`,
  pop_mpls: ({ etherType }) => `pop_mpls:${fourDigits(etherType)}`,
  push_pbb: ({ etherType }) => `push_pbb:${fourDigits(etherType)}`,
  pop_pbb: () => 'pop_pbb',
  encap: ({ header }) => `encap(${header})`,
  decap: ({ packetType }) =>
    packetType === undefined
      ? 'decap()'
      : `decap(packet_type(ns=${packetType >>> 16},type=${packetTypeText(packetType)}))`,
  set_field: (action, options) =>
    `set_field:${formatInAction(fieldOf(action.field), action, options)}->${actionName(action.field)}`,
  load: ({ value, to }) => `load:${hexadecimal(value)}->${formatSubfield(to)}`,
  move: ({ from, to }) => `move:${formatSubfield(from)}->${formatSubfield(to)}`,
  stack_push: ({ from }) => `push:${formatSubfield(from)}`,
  stack_pop: ({ to }) => `pop:${formatSubfield(to)}`,
  set_tunnel: ({ id, wide }) => `set_tunnel${wide || id > BigInt(UINT32) ? '64' : ''}:${hexadecimal(id)}`,
  dec_ttl: ({ controllers }) => (controllers === undefined ? 'dec_ttl' : `dec_ttl(${controllers.join(',')})`),
  set_nw_ttl: ({ ttl }) => `mod_nw_ttl:${ttl}`,
  set_mpls_ttl: ({ ttl }) => `set_mpls_ttl(${ttl})`,
  dec_mpls_ttl: () => 'dec_mpls_ttl',
  copy_ttl_out: () => 'copy_ttl_out',
  copy_ttl_in: () => 'copy_ttl_in',
  resubmit: printResubmit,
  clone: ({ actions }, options) => `clone(${printActions(actions, options)})`,
  exit: () => 'exit',
  note: ({ data }) => `note:${dotted(data)}`,
  learn: printLearn,
  conjunction: ({ id, clause, clauses }) => `conjunction(${id},${clause}/${clauses})`,
  ct: (action, options) => printCt(action, (actions) => printList(actions, options)),
  nat: printNat,
  ct_clear: () => 'ct_clear',
  multipath: ({ fields, basis, algorithm, links, argument, to }) =>
    `multipath(${fields},${basis},${algorithm},${links},${argument},${formatSubfield(to)})`,
  bundle: printBundle,
  fin_timeout: ({ idleTimeout, hardTimeout }) => `fin_timeout(${timeouts(idleTimeout, hardTimeout).join(',')})`,
  check_pkt_larger: ({ length, to }) => `check_pkt_larger(${length})->${formatSubfield(to)}`,
  sample: printSample,
}

function printAction<Type extends Action['type']>(
  action: Extract<Action, { type: Type }>,
  options: FlowTextOptions,
): string {
  return PRINTERS[action.type as Type](action, options)
}

const fourDigits = (etherType: number) => `0x${etherType.toString(16).padStart(4, '0')}`

/** The type of namespace 1 is an Ethernet type. */
const packetTypeText = (packetType: number): string => {
  const type = packetType & UINT16
  return packetType >>> 16 === 0 ? String(type) : `0x${type.toString(16)}`
}

const dotted = (data: Uint8Array) => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('.')

function printOutput(port: number, options: FlowTextOptions): string {
  if (port === ReservedPort.Controller) return 'CONTROLLER:65535'
  return reservedPortName(port) ?? `output:${formatPort(port, options)}`
}

function printController({ maxLength, controllerId, reason, userdata, meter }: ControllerAction): string {
  const said = [
    ...(reason === undefined || reason === 'action' ? [] : [`reason=${reason}`]),
    ...(maxLength === UINT16 ? [] : [`max_len=${maxLength}`]),
    ...(controllerId ? [`id=${controllerId}`] : []),
    ...(userdata === undefined || userdata.length === 0 ? [] : [`userdata=${dotted(userdata)}`]),
    ...(meter ? [`meter_id=${meter}`] : []),
  ]
  const plain = said.length === 0 || (said.length === 1 && maxLength !== UINT16)
  return plain ? `CONTROLLER:${maxLength}` : `controller(${said.join(',')})`
}

function printResubmit(
  { port, table, swapped }: Extract<Action, { type: 'resubmit' }>,
  options: FlowTextOptions,
): string {
  const where = port === undefined ? '' : formatPort(port, options)
  if (table === undefined && !swapped) return `resubmit:${where === '' ? 'IN_PORT' : where}`
  return `resubmit(${where},${table ?? ''}${swapped ? ',ct' : ''})`
}

const timeouts = (idle: number, hard: number) => [
  ...(idle === 0 ? [] : [`idle_timeout=${idle}`]),
  ...(hard === 0 ? [] : [`hard_timeout=${hard}`]),
]

function printBundle(action: Extract<Action, { type: 'bundle' }>, options: FlowTextOptions): string {
  const { fields, basis, algorithm, members, to } = action
  const target = to === undefined ? '' : `${formatSubfield(to)},`
  const list = members.map((port) => formatPort(port, options)).join(',')
  return `bundle${to === undefined ? '' : '_load'}(${fields},${basis},${algorithm},ofport,${target}members:${list})`
}

function printSample(action: Extract<Action, { type: 'sample' }>, options: FlowTextOptions): string {
  const { probability, collectorSet, observationDomain, observationPoint, samplingPort, direction } = action
  const said = [
    `probability=${probability}`,
    `collector_set_id=${collectorSet}`,
    `obs_domain_id=${observationDomain}`,
    `obs_point_id=${observationPoint}`,
    ...(samplingPort === undefined ? [] : [`sampling_port=${formatPort(samplingPort, options)}`]),
    ...(direction === undefined ? [] : [direction]),
  ]
  return `sample(${said.join(',')})`
}
