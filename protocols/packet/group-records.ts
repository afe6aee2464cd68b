// What IGMPv3 (RFC 3376 §4) and MLDv2 (RFC 3810 §5) have alike, but for the size of an address:
//
//   end of a query: | reserved 4 | suppress 1 | robustness 3 | interval code 8 | number of sources 16 | sources … |
//   end of a report: | number of records 16 | group records … |
//   group record:   | type 8 | words of auxiliary data 8 | number of sources 16 | group | sources … | auxiliary data … |

import { bytesOf, copyOf, requireBytes } from '../bytes.ts'

/** RFC 3376 §4.2.12. */
export const RecordType = {
  ModeIsInclude: 1,
  ModeIsExclude: 2,
  ChangeToInclude: 3,
  ChangeToExclude: 4,
  AllowNewSources: 5,
  BlockOldSources: 6,
} as const

export interface GroupRecord<A> {
  /** One of `RecordType`; others are to be ignored. */
  type: number
  group: A
  sources: A[]
  /** A multiple of four bytes, of which nobody has defined any. */
  auxiliary: Uint8Array
}

/** What a query has since IGMPv3 and MLDv2. */
export interface QueryExtension<A> {
  /** Routers that hear it are not to lower their timers. */
  suppress: boolean
  /** The querier's robustness variable; 0 where it is greater than 7. */
  robustness: number
  /** The querier's query interval in seconds, as RFC 3376 §4.1.7 writes it. */
  intervalCode: number
  sources: A[]
}

export interface AddressCodec<A> {
  protocol: string
  size: number
  read: (view: DataView, at: number) => A
  write: (view: DataView, at: number, address: A) => void
}

const FLAGS = 0
const INTERVAL = 1
const COUNT = 2
const FIXED = 4
const NUMBER_SIZE = 2
const AUXILIARY_WORDS = 1
const SUPPRESS = 8
const ROBUSTNESS = 7

/** Seconds as RFC 3376 §4.1.7 writes them, to the next lower that can be written: | 1 | exponent 3 | mantissa 4 | from 128 on. */
export function secondsCode(seconds: number): number {
  if (seconds < 128) return seconds
  const exponent = Math.min(Math.floor(Math.log2(seconds)) - 7, 7)
  return 0x80 | (exponent << 4) | (Math.min(seconds >> (exponent + 3), 31) & 0xf)
}

export const queryExtensionSize = <A>({ size }: AddressCodec<A>, { sources }: QueryExtension<A>): number =>
  FIXED + sources.length * size

export function decodeQueryExtension<A>(
  codec: AddressCodec<A>,
  view: DataView,
  at: number,
  end: number,
): QueryExtension<A> {
  requireBytes(codec.protocol, 'query', at, end, FIXED)
  const flags = view.getUint8(at + FLAGS)
  return {
    suppress: (flags & SUPPRESS) !== 0,
    robustness: flags & ROBUSTNESS,
    intervalCode: view.getUint8(at + INTERVAL),
    sources: decodeSources(codec, view, at + FIXED, end, view.getUint16(at + COUNT)),
  }
}

/** Returns where it ends. */
export function encodeQueryExtension<A>(
  codec: AddressCodec<A>,
  { suppress, robustness, intervalCode, sources }: QueryExtension<A>,
  view: DataView,
  at: number,
): number {
  view.setUint8(at + FLAGS, (suppress ? SUPPRESS : 0) | robustness)
  view.setUint8(at + INTERVAL, intervalCode)
  view.setUint16(at + COUNT, sources.length)
  return encodeSources(codec, sources, view, at + FIXED)
}

/** Bytes that a report's records take, their number included. */
export const groupRecordsSize = <A>(codec: AddressCodec<A>, records: readonly GroupRecord<A>[]): number =>
  records.reduce((size, record) => size + groupRecordSize(codec, record), NUMBER_SIZE)

/** `at` is where their number stands. @throws Malformed */
export function decodeGroupRecords<A>(
  codec: AddressCodec<A>,
  view: DataView,
  at: number,
  end: number,
): GroupRecord<A>[] {
  requireBytes(codec.protocol, 'number of records', at, end, NUMBER_SIZE)
  let next = at + NUMBER_SIZE
  return Array.from({ length: view.getUint16(at) }, () => {
    const record = decodeGroupRecord(codec, view, next, end)
    next += groupRecordSize(codec, record)
    return record
  })
}

/** Returns where they end. */
export function encodeGroupRecords<A>(
  codec: AddressCodec<A>,
  records: readonly GroupRecord<A>[],
  view: DataView,
  at: number,
): number {
  view.setUint16(at, records.length)
  return records.reduce((next, record) => encodeGroupRecord(codec, record, view, next), at + NUMBER_SIZE)
}

const groupRecordSize = <A>({ size }: AddressCodec<A>, { sources, auxiliary }: GroupRecord<A>): number =>
  FIXED + size + sources.length * size + auxiliary.length

function decodeGroupRecord<A>(codec: AddressCodec<A>, view: DataView, at: number, end: number): GroupRecord<A> {
  const { protocol, size, read } = codec
  requireBytes(protocol, 'group record', at, end, FIXED + size)
  const sources = decodeSources(codec, view, at + FIXED + size, end, view.getUint16(at + COUNT))
  const behind = at + FIXED + size + sources.length * size
  const words = view.getUint8(at + AUXILIARY_WORDS)
  requireBytes(protocol, 'auxiliary data', behind, end, words * 4)
  const auxiliary = copyOf(view, behind, behind + words * 4)
  return { type: view.getUint8(at), group: read(view, at + FIXED), sources, auxiliary }
}

/** Returns where it ends. */
function encodeGroupRecord<A>(
  codec: AddressCodec<A>,
  { type, group, sources, auxiliary }: GroupRecord<A>,
  view: DataView,
  at: number,
): number {
  view.setUint8(at, type)
  view.setUint8(at + AUXILIARY_WORDS, auxiliary.length / 4)
  view.setUint16(at + COUNT, sources.length)
  codec.write(view, at + FIXED, group)
  const behind = encodeSources(codec, sources, view, at + FIXED + codec.size)
  bytesOf(view).set(auxiliary, behind)
  return behind + auxiliary.length
}

function decodeSources<A>(codec: AddressCodec<A>, view: DataView, at: number, end: number, count: number): A[] {
  requireBytes(codec.protocol, 'list of sources', at, end, count * codec.size)
  return Array.from({ length: count }, (_, index) => codec.read(view, at + index * codec.size))
}

function encodeSources<A>({ size, write }: AddressCodec<A>, sources: readonly A[], view: DataView, at: number): number {
  sources.forEach((source, index) => write(view, at + index * size, source))
  return at + sources.length * size
}
