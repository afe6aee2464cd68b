// Messages of OpenFlow 1.3 that are each wrong in one way, by what is wrong with them: hex, written out so that no encoder of ours
// stands between them and the specification.

const u8 = (value: number) => value.toString(16).padStart(2, '0')
const u16 = (value: number) => value.toString(16).padStart(4, '0')
const u32 = (value: number) => value.toString(16).padStart(8, '0')
const zero = (bytes: number) => '00'.repeat(bytes)
const size = (hex: string) => hex.length / 2

const NONE = 0xffffffff
const XID = 0x77

function message(type: number, body: string, { version = 4 }: { version?: number } = {}): string {
  return u8(version) + u8(type) + u16(8 + size(body)) + u32(XID) + body
}

const NO_MATCH = '0001000400000000'

/** An ofp_match with these fields. */
const match = (fields: string) => `0001${u16(4 + size(fields))}${fields}${zero((8 - ((4 + size(fields)) % 8)) % 8)}`

interface TableFeaturesParts {
  table?: number
  properties?: string
  length?: number
}

interface FlowModParts {
  command?: number
  table?: number
  flags?: number
  buffer?: number
  outPort?: number
  match?: string
  instructions?: string
}

function flowMod(parts: FlowModParts): string {
  const { command = 0, table = 0, flags = 0, buffer = NONE, outPort = NONE, instructions = '' } = parts
  const head = zero(16) + u8(table) + u8(command) + zero(4) + u16(1) + u32(buffer) + u32(outPort) + u32(NONE)
  return message(14, head + u16(flags) + zero(2) + (parts.match ?? NO_MATCH) + instructions)
}

const apply = (actions: string) => u16(4) + u16(8 + size(actions)) + zero(4) + actions
const write = (actions: string) => u16(3) + u16(8 + size(actions)) + zero(4) + actions
const applied = (actions: string, fields = '') => flowMod({ match: match(fields), instructions: apply(actions) })
const matched = (fields: string) => flowMod({ match: match(fields) })

const output = (port: number) => `00000010${u32(port)}ffff${zero(6)}`
const group = (number: number) => `00160008${u32(number)}`
const setField = (header: string, value: string) => {
  const body = header + value
  const length = Math.ceil((4 + size(body)) / 8) * 8
  return `0019${u16(length)}${body}${zero(length - 4 - size(body))}`
}
const extension = (experimenter: number, subtype: number, body: string) => {
  const length = 10 + size(body)
  return `ffff${u16(length)}${u32(experimenter)}${u16(subtype)}${body}`
}

const bucket = (actions: string, { weight = 0, port = NONE, watched = NONE } = {}) =>
  u16(16 + size(actions)) + u16(weight) + u32(port) + u32(watched) + zero(4) + actions
const groupMod = (command: number, type: number, number: number, buckets = '') =>
  message(15, u16(command) + u8(type) + '00' + u32(number) + buckets)

const band = (type: number, rate: number, length = 16) => u16(type) + u16(length) + u32(rate) + u32(100) + zero(4)
const meterMod = (command: number, flags: number, meter: number, bands = band(1, 100)) =>
  message(29, u16(command) + u16(flags) + u32(meter) + bands)

const portMod = (port: number, mac: string, { advertise = 0 } = {}) =>
  message(16, u32(port) + zero(4) + mac + zero(2) + zero(4) + zero(4) + u32(advertise) + zero(4))
const packetOut = (buffer: number, inPort: number, actions: string, frame = zero(64)) =>
  message(13, u32(buffer) + u32(inPort) + u16(size(actions)) + zero(6) + actions + frame)
const multipart = (type: number, body = '') => message(18, u16(type) + zero(6) + body)
const flowRequest = (table: number, outPort = NONE, fields = NO_MATCH) =>
  multipart(1, u8(table) + zero(3) + u32(outPort) + u32(NONE) + zero(4) + zero(16) + fields)
const tableFeatures = ({ table = 0, properties = '', length = 64 + size(properties) }: TableFeaturesParts) =>
  multipart(12, u16(length) + u8(table) + zero(5) + zero(56) + properties)
const role = (code: number, generation: number) => message(24, u32(code) + zero(4) + u32(0) + u32(generation))
const bundle = (number: number, type: number, flags = 1) =>
  message(4, `4f4e4600${u32(2300)}${u32(number)}${u16(type)}${u16(flags)}`)
const bundled = (number: number, inner: string, flags = 1) =>
  message(4, `4f4e4600${u32(2301)}${u32(number)}0000${u16(flags)}${inner}`)

const ETH_TYPE_IP = '80000a020800'
const ETH_TYPE_IP6 = '80000a0286dd'
const UDP = '8000140111'
const OUT = output(1)

/** What both have before each of them: group 1, meter 1, and a bundle that is open. */
export const PREPARATION: readonly string[] = [
  groupMod(0, 0, 1, bucket(OUT)),
  meterMod(0, 1, 1),
  bundle(1, 0),
  role(2, 100),
]

export const INVALID_MESSAGES: readonly (readonly [string, string])[] = [
  // OFPET_BAD_REQUEST
  ['a message of another version', message(20, '', { version: 5 })],
  ['a message type that there is none of', message(30, '')],
  ['a message that only switches send', message(6, zero(24))],
  ['a barrier with a body', message(20, zero(8))],
  ['a features request with a body', message(5, zero(4))],
  ['an experimenter that nobody knows', message(4, '0012345600000001')],
  ['a message of Open vSwitch that there is none of', message(4, `00002320${u32(9999)}`)],
  ['a message of the ONF that there is none of', message(4, `4f4e4600${u32(9999)}`)],
  ['an experimenter message that is too short', message(4, '00002320')],
  ['a multipart request that there is none of', multipart(99)],
  ['a multipart request of an unknown experimenter', multipart(0xffff, '0012345600000001')],
  ['a multipart request of Open vSwitch that there is none of', multipart(0xffff, `00002320${u32(9999)}`)],
  ['a multipart request that is too short', message(18, '0001')],
  ['a description request with a body', multipart(0, zero(8))],
  ['a flow request for table 254', flowRequest(254)],
  ['a flow request that is too short', multipart(1, zero(8))],
  ['a flow request with a port that there is none of', flowRequest(0, 0x10000)],
  ['a flow request with a field that nobody knows', flowRequest(0, NONE, match('8000fe0100'))],
  ['queue statistics of a port that there is none of', multipart(5, u32(99) + u32(NONE))],
  ['queue statistics of a queue that there is none of', multipart(5, u32(1) + u32(99))],
  ['the queues of a port that there is none of', message(22, u32(99) + zero(4))],
  ['features of a table, of another length than theirs', tableFeatures({ length: 65 })],
  ['features of a table that there is none of', tableFeatures({ table: 255 })],
  ['features of a table with a property that there is none of', tableFeatures({ properties: `00090004${zero(4)}` })],
  ['statistics of meter 0', multipart(9, u32(0) + zero(4))],
  ['statistics of a meter that there is none of', multipart(9, u32(99) + zero(4))],
  ['the configuration of a meter that there is none of', multipart(10, u32(99) + zero(4))],
  ['a packet-out of a buffer', packetOut(7, 1, OUT, '')],
  ['a packet-out from ANY of the reserved ports', packetOut(NONE, 0xfffffffb, OUT)],
  ['a packet-out from a number between ports', packetOut(NONE, 0x10000, OUT)],
  ['a packet-out with actions longer than it', message(13, u32(NONE) + u32(1) + u16(64) + zero(6) + OUT)],
  ['a packet-out with half an action', packetOut(NONE, 1, '00000004')],
  ['a packet-out to a number between ports', packetOut(NONE, 1, output(0x10000))],
  ['a packet-out to a group that there is none of', packetOut(NONE, 1, group(99))],
  // OFPET_BAD_ACTION
  ['an action that there is none of', applied('00630008' + zero(4))],
  ['an action of length 0', applied('00000000' + zero(4))],
  ['an action that is longer than its list', applied('00000040' + zero(12))],
  ['an output of 8 bytes', applied('0000000800000001')],
  ['an action of an unknown experimenter', applied(extension(0x123456, 1, zero(6)))],
  ['an action of Open vSwitch that there is none of', applied(extension(0x2320, 999, zero(6)))],
  ['an output to ANY', applied(output(NONE))],
  ['an output to a number between ports', applied(output(0x10000))],
  ['a group that there is none of', applied(group(99))],
  ['a group beyond OFPG_MAX', applied(group(0xffffff01))],
  ['a tag of an Ethernet type that is no tag', applied('0011000808000000')],
  ['a label of an Ethernet type that is no label', applied('0013000808000000')],
  ['a resubmit with padding that is not zero', applied(extension(0x2320, 14, 'fff801000001'))],
  ['dec_nw_ttl of frames that may not be IP', applied('0018000800000000')],
  ['pop_mpls of frames that may not have labels', applied('0014000808000000')],
  ['set_field of a field that nobody knows', applied(setField('80007801', '00'))],
  ['set_field of eth_dst in 4 bytes', applied(setField('80000604', zero(4)))],
  ['set_field of the Ethernet type', applied(setField('80000a02', '0800'))],
  ['set_field of in_port', applied(setField('80000004', '00000001'))],
  ['set_field with a mask', applied(setField('8000070c', zero(12)))],
  ['set_field of a DSCP beyond 63', applied(setField('80001001', '7f'), ETH_TYPE_IP)],
  ['set_field of a tag without its presence', applied(setField('80000c02', '0001'), '80000c021005')],
  ['set_field of an IP address in frames that may not be IP', applied(setField('80001804', '0a000001'))],
  ['set_field with padding that is not zero', applied('0019001080000e010300000000000001')],
  ['a conjunction of one clause', applied(extension(0x2320, 34, '000100000001'))],
  ['a note in an action set', flowMod({ instructions: write(extension(0x2320, 8, zero(6))) })],
  ['a learn into table 255', applied(extension(0x2320, 16, zero(6) + zero(8) + '0000ff' + zero(5)))],
  ['a bundle of actions with an unknown algorithm', applied(extension(0x2320, 12, '0009' + zero(20)))],
  ['a multipath with an unknown hash', applied(extension(0x2320, 10, '0099' + zero(20)))],
  ['ct without an Ethernet type', applied(extension(0x2320, 35, zero(6) + zero(2) + 'ff' + zero(5)))],
  ['nat outside of ct', applied(extension(0x2320, 36, zero(6)), ETH_TYPE_IP)],
  // OFPET_BAD_INSTRUCTION
  ['an instruction that there is none of', flowMod({ instructions: `00090008${zero(4)}` })],
  ['an instruction of an experimenter', flowMod({ instructions: 'ffff000800002320' })],
  ['an instruction of length 0', flowMod({ instructions: `00040000${zero(4)}` })],
  ['an instruction that is longer than the message', flowMod({ instructions: `00040040${zero(4)}` })],
  ['an instruction twice', flowMod({ instructions: apply(OUT) + apply(OUT) })],
  ['goto_table back', flowMod({ table: 3, instructions: '0001000801000000' })],
  ['goto_table in place', flowMod({ table: 3, instructions: '0001000803000000' })],
  ['a meter that there is none of', flowMod({ instructions: '0006000800000063' })],
  ['meter 0', flowMod({ instructions: '0006000800000000' })],
  // OFPET_BAD_MATCH
  ['a match of another type', flowMod({ match: '0002000400000000' })],
  ['a match shorter than its header', flowMod({ match: '0001000200000000' })],
  ['a match longer than the message', flowMod({ match: '0001004000000000' })],
  ['a field that nobody knows', matched('8000fe0100')],
  ['a field of a class that nobody knows', matched('9000000400000001')],
  ['a field cut short', matched('8000000400')],
  ['eth_type in 4 bytes', matched('80000a0400000800')],
  ['a mask on in_port', matched('80000108000000010000000f')],
  ['a value outside its mask', matched('80000f020703')],
  ['ip_proto without an Ethernet type', matched(UDP)],
  ['udp_dst without ip_proto', matched(`${ETH_TYPE_IP}800020020035`)],
  ['an IPv4 address of IPv6', matched(`${ETH_TYPE_IP6}800018040a000001`)],
  ['eth_type twice', matched(ETH_TYPE_IP + ETH_TYPE_IP)],
  ['a VLAN id beyond 4095', matched('80000c022005')],
  ['a DSCP beyond 63', matched(`${ETH_TYPE_IP}8000100140`)],
  ['an in_port between ports', matched('8000000400010000')],
  ['an option of tunnels', matched('0001500400000001')],
  // OFPET_FLOW_MOD_FAILED
  ['table 255 to add to', flowMod({ table: 255 })],
  ['a flow command that there is none of', flowMod({ command: 9 })],
  ['a modify of no flow, with a group that there is none of', flowMod({ command: 1, instructions: apply(group(99)) })],
  [
    'a modify of no flow, with a meter that there is none of',
    flowMod({ command: 1, instructions: '0006000800000063' }),
  ],
  [
    'a strict modify of no flow, with a meter that there is none of',
    flowMod({ command: 2, instructions: '0006000800000063' }),
  ],
  ['flow flags that there are none of', flowMod({ flags: 0x8000 })],
  ['a flow with a buffer', flowMod({ buffer: 7, instructions: apply(OUT) })],
  ['an out_port between ports', flowMod({ command: 3, outPort: 0x10000 })],
  ['a flow-mod that is too short', message(14, zero(20))],
  // OFPET_GROUP_MOD_FAILED
  ['a group that is there already', groupMod(0, 0, 1, bucket(OUT))],
  ['a group beyond OFPG_MAX to add', groupMod(0, 0, 0xffffff01, bucket(OUT))],
  ['a group to modify that there is none of', groupMod(1, 0, 99, bucket(OUT))],
  ['a bucket to insert, as of OpenFlow 1.5', message(15, `00030000${u32(1)}${u16(16)}${zero(2)}${u32(0xffffffff)}`)],
  ['a bucket to insert, as of OpenFlow 1.3', groupMod(3, 0, 1, bucket(OUT))],
  ['a bucket to remove, as of OpenFlow 1.5', message(15, `00050000${u32(1)}${zero(4)}${u32(0xffffffff)}`)],
  ['a bucket to remove, as of OpenFlow 1.3', groupMod(5, 0, 1)],
  ['a group type that there is none of', groupMod(0, 9, 2, bucket(OUT))],
  ['a group command that there is none of', groupMod(9, 0, 2, bucket(OUT))],
  ['an indirect group with two buckets', groupMod(0, 2, 2, bucket(OUT) + bucket(OUT))],
  ['an indirect group with no bucket', groupMod(0, 2, 2)],
  ['a weight in a group of all', groupMod(0, 0, 2, bucket(OUT, { weight: 5 }))],
  ['a fast-failover bucket that watches nothing', groupMod(0, 3, 2, bucket(OUT))],
  ['a bucket of length 0', groupMod(0, 0, 2, `0000${zero(14)}`)],
  ['a bucket longer than the message', groupMod(0, 0, 2, `0040${zero(14)}`)],
  ['a bucket with an action that there is none of', groupMod(0, 0, 2, bucket('00630008' + zero(4)))],
  ['a group to delete, with buckets', groupMod(2, 0, 1, bucket(OUT))],
  ['a group that leads back to itself', groupMod(0, 0, 2, bucket(group(2)))],
  ['a bucket that sends to a group that is not there', groupMod(0, 0, 2, bucket(group(99)))],
  ['a group-mod that is too short', message(15, zero(4))],
  // OFPET_PORT_MOD_FAILED
  ['a port that there is none of', portMod(99, 'aa55aa550063')],
  ['a port by another address', portMod(1, '020202020202')],
  ['a port number between ports', portMod(0x10000, '020202020202')],
  ['a port-mod that is too short', message(16, zero(8))],
  // OFPET_TABLE_MOD_FAILED
  ['table 254 to configure', message(17, `fe${zero(3)}${u32(0)}`)],
  ['a table-mod that is too long', message(17, zero(12))],
  // OFPET_SWITCH_CONFIG_FAILED
  ['fragment handling that there is none of', message(9, '00070080')],
  ['a set-config that is too short', message(9, '0000')],
  // OFPET_ROLE_REQUEST_FAILED
  ['a generation that has passed', role(2, 50)],
  ['a role that there is none of', role(9, 101)],
  ['a role request that is too short', message(24, zero(8))],
  // OFPET_METER_MOD_FAILED
  ['a meter that is there already', meterMod(0, 1, 1)],
  ['a meter of number 0', meterMod(0, 1, 0)],
  ['a meter beyond OFPM_MAX', meterMod(0, 1, 0xffff0001)],
  ['a meter to modify that there is none of', meterMod(1, 1, 99)],
  ['a meter command that there is none of', meterMod(9, 1, 2)],
  ['a meter without a unit', meterMod(0, 0, 2)],
  ['a meter with two units', meterMod(0, 3, 2)],
  ['meter flags that there are none of', meterMod(0, 0x11, 2)],
  ['a band of rate 0', meterMod(0, 1, 2, band(1, 0))],
  ['a band that there is none of', meterMod(0, 1, 2, band(9, 100))],
  ['a band of 8 bytes', meterMod(0, 1, 2, band(1, 100, 8))],
  ['a meter without a band', meterMod(0, 1, 2, '')],
  ['a meter with nine bands', meterMod(0, 1, 2, band(1, 100).repeat(9))],
  // OFPET_TABLE_FEATURES_FAILED, OFPET_QUEUE_OP_FAILED and the bundles of the ONF stand under others' types.
  ['a bundle that is open already', bundle(1, 0)],
  ['a bundle that there is none of, to commit', bundle(9, 4)],
  ['a bundle to close that was opened with other flags', bundle(1, 2, 2)],
  ['a bundle to commit that was opened with other flags', bundle(1, 4, 2)],
  ['a bundle to commit that was opened with flags fewer', bundle(1, 4, 0)],
  ['a bundle to commit with flags that there are none of', bundle(1, 4, 9)],
  ['a message for a bundle that was opened with other flags', bundled(1, flowMod({}), 3)],
  ['a message for a bundle with flags that there are none of', bundled(1, flowMod({}), 5)],
  ['a bundle that there is none of, to discard', bundle(9, 6)],
  ['a bundle command that there is none of', bundle(1, 99)],
  ['a barrier in a bundle', bundled(1, message(20, ''))],
  ['a bundled message of another xid', bundled(1, flowMod({}).replace(u32(XID), u32(XID + 1)))],
  ['a bundled message cut short', bundled(1, '040e')],
  ['a bundled flow-mod with a fault', bundled(1, matched(UDP))],
  ['a packet-in format that there is none of', message(4, `00002320${u32(16)}${u32(9)}`)],
]
