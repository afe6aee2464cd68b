// Everything that a switch is to have, or is known to have.

import type {
  Action,
  CtAction,
  FlowFlags,
  FlowSpec,
  Instructions,
  MeterBand,
  PortConfig,
  Subfield,
} from '../../protocols/control/messages.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { once } from '../../runtime/once.ts'

export interface SwitchState {
  /** By name. */
  readonly ports: ReadonlyMap<string, PortConfig>
  /** By number. */
  readonly meters: ReadonlyMap<number, readonly MeterBand[]>
  /** By `flowKey`. */
  readonly flows: ReadonlyMap<string, FlowSpec>
}

export const EMPTY_STATE: SwitchState = { ports: new Map(), meters: new Map(), flows: new Map() }

type Identity = Pick<FlowSpec, 'table' | 'priority' | 'match'>

/** What identifies a flow on its switch: equal for equal table, priority and match, however the match is written. */
export const flowKey = once((flow: Identity): string => newKey(flow))

/** As `flowKey`, of a flow that nobody has asked about and hardly anybody will: its key is not remembered with it. */
export const newKey = ({ table, priority, match }: Identity): string => `${table}/${priority}/${matchText(match)}`

function matchText(match: Match): string {
  if (match.length === 0) return ''
  const parts: string[] = []
  for (const part of match) if (part.mask !== 0n) parts.push(partText(part))
  return parts.length === 1 ? parts[0]! : parts.sort().join(',')
}

const partText = ({ field, value, mask }: FieldMatch): string =>
  mask === undefined || mask === fieldOf(field).ones ? `${field}=${value}` : `${field}=${value}/${mask}`

/** True where two flows of one key do the same. */
export const sameFlow = (a: FlowSpec, b: FlowSpec): boolean => a === b || alike.get(a) === b || isFoundAlike(a, b)

/** By flows that are frozen, and so may come again: one found to do the same. */
const alike = new WeakMap<FlowSpec, FlowSpec>()

function isFoundAlike(a: FlowSpec, b: FlowSpec): boolean {
  const same = isAlike(a, b)
  if (same && Object.isFrozen(a)) alike.set(a, b)
  return same
}

const isAlike = (a: FlowSpec, b: FlowSpec): boolean =>
  a.cookie === b.cookie &&
  a.idleTimeout === b.idleTimeout &&
  a.hardTimeout === b.hardTimeout &&
  isTold(a.flags) === isTold(b.flags) &&
  sameInstructions(a.instructions, b.instructions)

/** The other flags say how a flow is added, not what it is. */
const isTold = ({ sendFlowRemoved = false }: FlowFlags): boolean => sendFlowRemoved

const sameInstructions = (a: Instructions, b: Instructions): boolean =>
  a.meter === b.meter &&
  a.clear === b.clear &&
  a.gotoTable === b.gotoTable &&
  a.writeMetadata?.value === b.writeMetadata?.value &&
  a.writeMetadata?.mask === b.writeMetadata?.mask &&
  sameActions(a.apply, b.apply) &&
  sameActions(a.write, b.write)

const sameActions = (a: readonly Action[], b: readonly Action[]): boolean =>
  a.length === b.length && a.every((action, index) => sameAction(action, b[index]!))

/** Most that are alike are the very same object, or set the same. */
const sameAction = (a: Action, b: Action): boolean =>
  a === b || (a.type === 'set_field' && b.type === 'set_field' && isSetAlike(a, b)) || actionText(a) === actionText(b)

type SetField = Extract<Action, { type: 'set_field' }>

const isSetAlike = (a: SetField, b: SetField): boolean =>
  a.field === b.field && a.value === b.value && a.mask === b.mask

function actionText(action: Action): string {
  switch (action.type) {
    case 'set_field':
      return `set ${action.mask === 0n ? '' : partText(action)}`
    case 'move':
      return `move ${subfieldText(action.from)} ${subfieldText(action.to)}`
    case 'resubmit':
      return `resubmit ${action.port ?? ''} ${action.table ?? ''}`
    case 'clone':
      return `clone(${action.actions.map(actionText).join(',')})`
    case 'ct':
      return `ct ${ctText(action)}`
    default:
      return Object.values(action).join(' ')
  }
}

function ctText({ commit, force, zone, table, alg, actions }: CtAction): string {
  const where = typeof zone === 'number' ? zone : subfieldText(zone)
  return `${commit} ${force} ${where} ${table ?? ''} ${alg} (${actions.map(actionText).join(',')})`
}

const subfieldText = ({ field, offset, bits }: Subfield) => `${field}[${offset}+${bits}]`

export const sameBands = (a: readonly MeterBand[], b: readonly MeterBand[]): boolean => bandText(a) === bandText(b)

const bandText = (bands: readonly MeterBand[]): string =>
  bands.map(({ type, rate, burst, dscp = '' }) => `${type} ${rate} ${burst} ${dscp}`).join(';')

export const samePort = (a: PortConfig, b: PortConfig): boolean => a === b || portText(a) === portText(b)

const portText = once((port: PortConfig): string => {
  const { number, name, type, vlanMode, tag, trunks, mtu, tunnel, patchPeer, hold, activation, state } = port
  return JSON.stringify([
    [number, name, type, vlanMode, tag, trunks ?? [], mtu, state],
    tunnelText(tunnel),
    [patchPeer?.switch, patchPeer?.port],
    limitText(port),
    [hold?.bytes, hold?.time, activation],
  ])
})

/** What the port's configuration says of rates and queues. */
export const limitText = ({ maxRate, burst, minRate, share, queues = [] }: PortConfig): unknown => [
  [maxRate, burst, minRate],
  share && [share.name, share.maxRate, share.burst],
  queues.map((queue) => [
    [queue.queue, queue.parent, queue.minRate, queue.maxRate, queue.burst, queue.priority, queue.weight, queue.limit],
    queue.dscps ?? [],
  ]),
]

const tunnelText = (tunnel: PortConfig['tunnel']) =>
  tunnel && [
    tunnel.localIp,
    tunnel.remoteIp,
    tunnel.key,
    tunnel.destinationPort ?? 4789,
    tunnel.ttl ?? 64,
    tunnel.tos ?? 0,
  ]
