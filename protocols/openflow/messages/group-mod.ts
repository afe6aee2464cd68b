// OFPT_GROUP_MOD: OpenFlow 1.3 §7.3.4.2; and NXT_GROUP_MOD, which is OpenFlow 1.5's: single buckets by id, and how a select
// group chooses. Open vSwitch has it for OpenFlow 1.0 only; here it is understood on 1.3 too, and spoken where 1.3 has no words.

import type { Bucket, GroupCommand, GroupMod, GroupSpec, GroupType } from '../../control/messages.ts'
import { GROUP_TYPES } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import { decodeBuckets, encodeBuckets } from '../buckets.ts'
import { decodeSelection, encodeSelection } from '../group-selection.ts'
import { MessageCode, nicira } from '../header.ts'

/** OFPGC_*, and Open vSwitch's own for `--may-create`. */
const COMMANDS = new Map<number, GroupCommand>([
  [0, 'add'],
  [1, 'modify'],
  [2, 'delete'],
  [0x8000, 'add_or_modify'],
])
/** OpenFlow 1.5's beside them. */
const LATER_COMMANDS = new Map<number, GroupCommand>([...COMMANDS, [3, 'insert_bucket'], [5, 'remove_bucket']])
const codes = new Map([...LATER_COMMANDS].map(([code, command]) => [command, code]))

/** OFPG_BUCKET_*. */
const BUCKETS = { first: 0xfffffffd, last: 0xfffffffe, all: 0xffffffff } as const
const NO_BUCKET = BUCKETS.all

export function groupTypeOf(code: number): GroupType {
  const type = GROUP_TYPES[code]
  if (type === undefined) throw new Refused('OFPGMFC_BAD_TYPE', 'groupType', `there is no group type ${code}`)
  return type
}

function commandOf(code: number, commands: ReadonlyMap<number, GroupCommand>): GroupCommand {
  const command = commands.get(code)
  if (command === undefined) throw new Refused('OFPGMFC_BAD_COMMAND', 'command', `there is no group command ${code}`)
  return command
}

const openflow = body(
  'groupMod',
  { message: MessageCode.GroupMod },
  (writer, { command, group, groupType, buckets }) => {
    writer.u16(codes.get(command) ?? 0)
    writer.u8(GROUP_TYPES.indexOf(groupType))
    writer.zero(1)
    writer.u32(group)
    encodeBuckets(writer, buckets, groupType, 'openflow13')
  },
  (reader) => {
    const command = commandOf(reader.u16(), COMMANDS)
    const groupType = groupTypeOf(reader.u8())
    reader.skip(1)
    const group = reader.u32()
    return { type: 'groupMod', command, group, groupType, buckets: decodeBuckets(reader, groupType, 'openflow13') }
  },
)

export const NICIRA_GROUP_MOD: Body = body(
  'groupMod',
  nicira(31),
  (writer, { command, group, groupType, buckets, bucket, selection }) => {
    writer.u16(codes.get(command) ?? 0)
    writer.u8(GROUP_TYPES.indexOf(groupType))
    writer.zero(1)
    writer.u32(group)
    const lengthAt = writer.length
    writer.zero(4)
    writer.u32(typeof bucket === 'string' ? BUCKETS[bucket] : (bucket ?? NO_BUCKET))
    const start = writer.length
    encodeBuckets(writer, buckets, groupType, 'nicira')
    writer.setU16(lengthAt, writer.length - start)
    if (selection !== undefined) encodeSelection(writer, selection)
  },
  (reader) => {
    const command = commandOf(reader.u16(), LATER_COMMANDS)
    const groupType = groupTypeOf(reader.u8())
    reader.skip(1)
    const [group, bucketsLength] = [reader.u32(), reader.u16()]
    reader.skip(2)
    const bucket = reader.u32()
    const buckets = decodeBuckets(reader.sub(bucketsLength, 'OFPGMFC_BAD_BUCKET'), groupType, 'nicira')
    const selection = decodeSelection(reader)
    return {
      type: 'groupMod',
      command,
      group,
      groupType,
      buckets,
      ...(selection !== undefined && { selection }),
      ...(command.endsWith('_bucket') && { bucket: bucketOf(bucket) }),
    }
  },
)

function bucketOf(number: number): NonNullable<GroupMod['bucket']> {
  if (number === BUCKETS.first) return 'first'
  if (number === BUCKETS.last) return 'last'
  return number === BUCKETS.all ? 'all' : number
}

/** OpenFlow 1.3 has no words for these. */
const isLater = (group: GroupMod) => group.command.endsWith('_bucket') || hasLaterParts(group)

const hasLaterParts = ({ buckets, selection }: GroupSpec) =>
  selection !== undefined || buckets.some((bucket: Bucket, index) => bucket.id !== undefined && bucket.id !== index)

export const GROUP_MOD: Body = {
  ...openflow,
  encode: (message, xid) =>
    (message.type === 'groupMod' && isLater(message) ? NICIRA_GROUP_MOD : openflow).encode(message, xid),
}
