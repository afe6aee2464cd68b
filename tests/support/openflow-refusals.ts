// Bytes that are no part of an OpenFlow 1.3 message, and the code by which Open vSwitch refuses them: held against our codec, and
// against Open vSwitch itself.

import type { ErrorCode } from '../../protocols/control/messages.ts'

/** What is wrong, the bytes, and the code. */
export type Refusal = [name: string, bytes: string, code: ErrorCode]

/** Lists of fields, as they stand in a match. */
export const FIELD_REFUSALS: Refusal[] = [
  ['unknown field', '8000fe02 0001', 'OFPBMC_BAD_FIELD'],
  ['unknown experimenter', 'ffff5406 00001234 0012', 'OFPBMC_BAD_FIELD'],
  ['known field of another length', '80000a03 080000', 'OFPBMC_BAD_FIELD'],
  ['cut in the header', '80000a', 'OFPBMC_BAD_LEN'],
  ['cut in the value', '80000a02 08', 'OFPBMC_BAD_LEN'],
  ['no room for the experimenter', 'ffff5403 4f4e4600', 'OFPBMC_BAD_LEN'],
  ['given twice', '80000004 00000001 80000004 00000001', 'OFPBMC_DUP_FIELD'],
  ['given twice, as a half and a whole', '00010004 00000001 80010008 0000000000000001', 'OFPBMC_DUP_FIELD'],
  ['given twice under two names', '80000d04 1000 1000 00000802 1005', 'OFPBMC_DUP_FIELD'],
  ['masked and unmaskable', '80000b04 0800 0fff', 'OFPBMC_BAD_MASK'],
  ['bits outside the mask', '00010108 00000003 00000001', 'OFPBMC_BAD_WILDCARDS'],
  ['a VLAN of 14 bits', '80000c02 3001', 'OFPBMC_BAD_VALUE'],
  ['an ARP operation of 9 bits', '80000a02 0806 80002a02 0100', 'OFPBMC_BAD_VALUE'],
  ['a port between 16 and 32 bits', '80000004 00010000', 'OFPBMC_BAD_VALUE'],
  ['an ECN in the traffic class', '80000a02 0800 00000a01 b9', 'OFPBMC_BAD_VALUE'],
  ['a port without a protocol', '80000a02 0800 80001a02 0050', 'OFPBMC_BAD_PREREQ'],
  ['a port before its protocol', '80000a02 0800 80001a02 0050 80001401 06', 'OFPBMC_BAD_PREREQ'],
]

/** Matches with their headers. */
export const MATCH_REFUSALS: Refusal[] = [
  ['no header', '', 'OFPBMC_BAD_LEN'],
  ['another type', '0002 0004 00000000', 'OFPBMC_BAD_TYPE'],
  ['a length less than the header', '0001 0003 00000000', 'OFPBMC_BAD_LEN'],
  ['a length past the end', '0001 000a 80000a02', 'OFPBMC_BAD_LEN'],
]

/** Lists of actions. */
export const ACTION_REFUSALS: Refusal[] = [
  ['not a multiple of 8 bytes', '0000 000c 00000001 00000000', 'OFPBRC_BAD_LEN'],
  ['a length that is not its type’s', '0000 0008 00000001', 'OFPBAC_BAD_LEN'],
  ['a length past the end', '0000 0018 00000001 0000000000000000', 'OFPBAC_BAD_LEN'],
  ['a length of nothing', '0016 0000 00000001', 'OFPBAC_BAD_LEN'],
  ['an unknown type', '00ff 0008 00000000', 'OFPBAC_BAD_TYPE'],
  ['an unknown experimenter', 'ffff 0010 00001234 0001 000000000000', 'OFPBAC_BAD_EXPERIMENTER'],
  ['an unknown subtype', 'ffff 0010 00002320 0fff 000000000000', 'OFPBAC_BAD_EXP_TYPE'],
  ['an experimenter without a subtype', 'ffff 0008 00002320', 'OFPBAC_BAD_LEN'],
  ['output to no port', '0000 0010 ffffffff 0000 000000000000', 'OFPBAC_BAD_OUT_PORT'],
  ['output to a port that none can be', '0000 0010 0000ff00 0000 000000000000', 'OFPBAC_BAD_OUT_PORT'],
  ['set_field of an unknown field', '0019 0010 8000fa02 0001 000000000000', 'OFPBAC_BAD_SET_TYPE'],
  ['set_field of another length', '0019 0010 80000604 00000001 00000000', 'OFPBAC_BAD_SET_LEN'],
  ['set_field with a mask', '0019 0010 80000d04 1001 1fff 00000000', 'OFPBAC_BAD_SET_MASK'],
  ['set_field of a read-only field', '0019 0010 80000a02 0800 000000000000', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['set_field of in_port', '0019 0010 80000004 00000001 00000000', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['set_field of a VLAN that is none', '0019 0010 80000c02 0005 000000000000', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['set_field with padding', '0019 0010 80000c02 1005 000000000001', 'OFPBAC_BAD_SET_ARGUMENT'],
  ['a tag that is none', '0011 0008 0800 0000', 'OFPBAC_BAD_ARGUMENT'],
  ['a label that is none', '0013 0008 0800 0000', 'OFPBAC_BAD_ARGUMENT'],
  ['a move out of the field', move('0021 0000 0000', '00010004 80000408'), 'OFPBAC_BAD_SET_LEN'],
  ['a move of no bits', move('0000 0000 0000', '00010004 80000408'), 'OFPBAC_BAD_SET_LEN'],
  ['a move to a read-only field', move('0010 0000 0000', '00010004 80000a02'), 'OFPBAC_BAD_SET_ARGUMENT'],
  ['a move of an unknown field', move('0010 0000 0000', '00010004 8000fe02'), 'OFPBMC_BAD_FIELD'],
  ['a move of a masked field', move('0010 0000 0000', '00010108 80000408'), 'OFPBMC_BAD_MASK'],
  ['a load wider than its bits', 'ffff 0018 00002320 0007 0003 00010004 0000000000000010', 'OFPBAC_BAD_ARGUMENT'],
  ['a load of an unknown field', 'ffff 0018 00002320 0007 0003 8000fe02 0000000000000001', 'OFPBAC_BAD_SET_TYPE'],
  ['resubmit with padding', 'ffff 0010 00002320 000e fff8 03 000001', 'OFPBAC_BAD_ARGUMENT'],
  ['a conjunction of one', 'ffff 0010 00002320 0022 00 01 00000001', 'NXBAC_BAD_CONJUNCTION'],
  ['an encap of something else', 'ffff 0010 00002320 002e 0000 00010800', 'NXBAC_BAD_HEADER_TYPE'],
  [
    'a learn without the field for its result',
    'ffff 0028 00002320 002d 0000 0000 0000 0000000000000000 0004 01 00 0000 0000 00000000 0000 0000',
    'OFPBMC_BAD_LEN',
  ],
  ['a decap with a property', 'ffff 0018 00002320 002f 0000 0000fffe 0000000000000000', 'NXBAC_UNKNOWN_ED_PROP'],
  ['a frame cut to nothing', 'ffff 0010 00002320 0027 0001 0000000d', 'OFPBAC_BAD_ARGUMENT'],
  ['a nat of ports without address', 'ffff 0018 00002320 0024 0000 0001 0010 0400 000000000000', 'OFPBAC_BAD_ARGUMENT'],
  ['a nat both ways', 'ffff 0010 00002320 0024 0000 0003 0000', 'OFPBAC_BAD_ARGUMENT'],
  ['an unknown property', 'ffff 0018 00002320 0025 000000000000 0009 0004 00000000', 'OFPTFFC_BAD_TYPE'],
  ['a property cut short', 'ffff 0018 00002320 0025 000000000000 0000 0003 00000000', 'OFPTFFC_BAD_LEN'],
]

/** Lists of instructions. */
export const INSTRUCTION_REFUSALS: Refusal[] = [
  ['an unknown one', '0007 0008 00000000', 'OFPBIC_UNKNOWN_INST'],
  ['an experimenter’s', 'ffff 0008 00002320', 'OFPBIC_BAD_EXPERIMENTER'],
  ['one given twice', '0005 0008 00000000 0005 0008 00000000', 'OFPBIC_DUP_INST'],
  ['a length that is not its type’s', '0001 0010 07000000 0000000000000000', 'OFPBIC_BAD_LEN'],
  ['a length that is not a multiple of 8', '0004 000c 00000000 00000000 00000000', 'OFPBIC_BAD_LEN'],
  ['a length past the end', '0004 0018 00000000', 'OFPBIC_BAD_LEN'],
  ['a length of nothing', '0005 0000 00000000', 'OFPBIC_BAD_LEN'],
  ['bytes left over', '0005 0008 00000000 0000', 'OFPBIC_BAD_LEN'],
  ['a bad action', '0004 0010 00000000 00ff 0008 00000000', 'OFPBAC_BAD_TYPE'],
  // All headers are looked at before any action is.
  ['a bad action, and a bad length behind it', '0004 0010 00000000 00ff 0008 00000000 0005 0010', 'OFPBIC_BAD_LEN'],
]

function move(bitsAndOffsets: string, headers: string): string {
  return `ffff 0018 00002320 0006 ${bitsAndOffsets} ${headers}`
}
