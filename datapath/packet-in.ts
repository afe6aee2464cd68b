import { CtState, FIELDS, Word } from '../protocols/fields.ts'
import type { PacketIn } from '../protocols/control/messages.ts'
import type { Match } from '../protocols/match.ts'
import { EtherType } from '../protocols/match.ts'
import type { FlowKey } from './flow-key.ts'
import { readField } from './flow-key.ts'
import type { ControllerAction } from './run-actions.ts'

/**
 * What controllers are told of a frame. It goes up whole, whatever length was asked for: none of it is kept here, and without a buffer
 * a controller could not ask for the rest (OpenFlow 1.3 §6.1.2). Open vSwitch does the same.
 */
export function packetInOf(frame: Uint8Array, action: ControllerAction): PacketIn {
  const { reason, table, cookie, controllerId, userdata, key } = action
  return {
    type: 'packetIn',
    reason,
    table,
    cookie,
    inPort: key[Word.inPort],
    totalLength: frame.length,
    match: metadataMatch(key),
    frame: frame.slice(),
    ...(controllerId !== undefined && { controllerId }),
    ...(userdata && { userdata }),
  }
}

/** As in Open vSwitch, the action set is none of a controller's business. */
const UNTOLD = /^(in_phy_port|actset_output|x+reg)/

/** The pipeline's own fields, each once. */
const METADATA_FIELDS = FIELDS.filter(({ word, name }) => word < Word.ethernetDestination && !UNTOLD.test(name))

/**
 * What a packet-in tells beside the frame: in_port, and of the pipeline's other fields those that are not 0. Open vSwitch says
 * beside a connection's state which kind of frame it goes by, and the connection's whole tuple where the state has one of three bits.
 */
function metadataMatch(key: FlowKey): Match {
  const state = key[Word.ctState]
  const etherType = key[Word.etherType]
  const hasTuple = (state & HAS_TUPLE) !== 0 && key[Word.ctProtocol] !== 0
  const tuple = hasTuple ? (etherType === EtherType.Ipv4 ? TUPLE4 : TUPLE6) : undefined
  const told = METADATA_FIELDS.map((field) => ({ field: field.name, value: readField(key, field) })).filter(
    ({ field, value }) => (TUPLE.test(field) ? tuple?.test(field) : field === 'in_port' || value !== 0n),
  )
  return state === 0 ? told : [...told, { field: 'eth_type', value: BigInt(etherType) }]
}

/** Open vSwitch's `is_ct_valid` (lib/flow.h): an error about a connection, in its original direction, has none of these. */
const HAS_TUPLE = CtState.New | CtState.Established | CtState.Reply

/** The connection's own tuple. */
const TUPLE = /^ct_(nw|ipv6|tp)_/
const TUPLE4 = /^ct_(nw|tp)_/
const TUPLE6 = /^ct_(ipv6|nw_proto|tp)/
