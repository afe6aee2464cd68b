// The classic capture file (draft-ietf-opsawg-pcap): one header, then records, all in the writer's byte order.
//
//   file header    | magic 32 | major 16 | minor 16 | reserved 64 | snap length 32 | FCS 6, link type 26 |
//   record header  | seconds 32 | µs or ns 32 | captured length 32 | original length 32 | bytes …

export const MAGIC_MICROSECONDS = 0xa1b2c3d4
export const MAGIC_NANOSECONDS = 0xa1b23c4d

export const FILE_HEADER_SIZE = 24
export const MAJOR = 4
export const MINOR = 6
export const SNAP_LENGTH = 16
export const LINK_TYPE = 20
export const LINK_TYPE_BITS = 0x03ffffff

export const RECORD_HEADER_SIZE = 16
export const SECONDS = 0
export const FRACTION = 4
export const CAPTURED_LENGTH = 8
export const ORIGINAL_LENGTH = 12
