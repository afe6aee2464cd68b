// Requests that ask for nothing a switch has to know of: they are read, and answered here or not at all.

import type { ByteReader } from '../byte-reader.ts'
import { endMessage, nicira, startMessage, wireKey } from '../header.ts'
import type { WireType } from '../header.ts'

interface Courtesy {
  read(reader: ByteReader): void
  reply?(xid: number): Uint8Array
}

const TABLE_ID_SIZE = 8

/** Bytes that all options of all mapped tunnel fields may take, and how many such fields there are, in Open vSwitch. */
const OPTION_SPACE = 256
const TUNNEL_FIELDS = 64

function emptyTlvTable(xid: number): Uint8Array {
  const writer = startMessage(nicira(26), xid)
  writer.u32(OPTION_SPACE)
  writer.u16(TUNNEL_FIELDS)
  writer.zero(10)
  return endMessage(writer)
}

const COURTESIES = new Map<string, Courtesy>([
  // NXT_SET_FLOW_FORMAT and NXT_FLOW_MOD_TABLE_ID: how OpenFlow 1.0 writes flows.
  [wireKey(nicira(12)), { read: (reader) => reader.skip(4) }],
  [wireKey(nicira(15)), { read: (reader) => reader.skip(TABLE_ID_SIZE) }],
  // NXT_FLOW_AGE: idle times are as fresh as they can be.
  [wireKey(nicira(18)), { read: () => {} }],
  // NXT_TLV_TABLE_REQUEST: no tunnel option has a field.
  [wireKey(nicira(25)), { read: () => {}, reply: emptyTlvTable }],
])

export const courtesyFor = (wire: WireType): Courtesy | undefined => COURTESIES.get(wireKey(wire))
