// The next-generation capture file (draft-ietf-opsawg-pcapng): blocks in sections. Each section has its own byte order
// and its own interfaces, numbered from 0 in the order of their description blocks.
//
//   block        | type 32 | total length 32 | body … | total length 32 |
//   SHB body     | byte-order magic 32 | major 16 | minor 16 | section length 64 | options …
//   IDB body     | link type 16 | reserved 16 | snap length 32 | options …
//   EPB body     | interface 32 | time high 32 | time low 32 | captured 32 | original 32 | bytes, padded | options …
//   PB body      | interface 16 | drops 16 | then as EPB                               (obsolete)
//   SPB body     | original 32 | bytes, padded
//   option       | code 16 | length 16 | value, padded

export const SECTION_HEADER = 0x0a0d0d0a
export const INTERFACE_DESCRIPTION = 1
export const PACKET = 2
export const SIMPLE_PACKET = 3
export const ENHANCED_PACKET = 6

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

/** No writer makes blocks near this size; a larger one is damage, and a reader need not hold more. */
export const MAX_BLOCK_SIZE = 16 * 1024 * 1024

export const TOTAL_LENGTH = 4
export const BODY = 8
export const BLOCK_OVERHEAD = 12

export const section = { byteOrder: 8, major: 12, minor: 14, sectionLength: 16, options: 24 } as const
export const description = { linkType: 8, snapLength: 12, options: 16 } as const
export const packet = { interface: 8, timeHigh: 12, timeLow: 16, captured: 20, original: 24, bytes: 28 } as const
export const simple = { original: 8, bytes: 12 } as const

export const option = {
  end: 0,
  comment: 1,
  /** Of an enhanced packet block: its lowest two bits are the direction. */
  flags: 2,
  sectionHardware: 2,
  sectionApplication: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  timeResolution: 9,
  timeOffset: 14,
} as const
export const OPTION_HEADER_SIZE = 4

/** Everything of variable length is padded to 32 bits. */
export const padded = (length: number) => (length + 3) & ~3
