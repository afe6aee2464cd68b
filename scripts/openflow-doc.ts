// docs/openflow.md, made from the tables that the code itself goes by, so that it can not say anything else. What a table does not
// know, the remarks and the differences, is written here; their keys are checked by the compiler.

import type { Action, MessageType } from '../protocols/control/messages.ts'
import type { Field, FieldName } from '../protocols/fields.ts'
import { FIELDS } from '../protocols/fields.ts'
import { ACTION_TYPES } from '../protocols/openflow/actions.ts'
import type { Body } from '../protocols/openflow/body.ts'
import { BODIES } from '../protocols/openflow/codec.ts'
import { Experimenter, MessageCode, MultipartCode } from '../protocols/openflow/header.ts'
import { DIFFERENCES } from './openflow-differences.ts'

interface Remark {
  support: 'partly' | 'not'
  why: string
}

const MESSAGE_REMARKS: Partial<Record<MessageType, Remark>> = {
  tableFeaturesRequest: { support: 'partly', why: 'asked, not set: OFPTFFC_EPERM' },
  packetOut: { support: 'partly', why: 'no packet is kept in the switch: a buffer_id is OFPBRC_BUFFER_UNKNOWN' },
  setConfig: { support: 'partly', why: 'a request to reassemble fragments is taken, and changes nothing' },
}

const ACTION_REMARKS: Partial<Record<Action['type'], Remark>> = {
  ct: { support: 'partly', why: 'alg is taken and not acted upon; `switch run` warns of flows that have it' },
  sample: { support: 'partly', why: 'counted by observation point; nothing is exported' },
}

const FIELD_REMARKS: Partial<Record<FieldName, Remark>> = {
  in_phy_port: { support: 'partly', why: 'is in_port: no port of ours is on another' },
}

/** What the specification has, and we have not. */
const MISSING: readonly (readonly [string, string])[] = [
  ['Auxiliary connections (§6.3.7)', 'auxiliary_id is 0, and every connection is one of its own, as in Open vSwitch'],
  ['Packet buffers (§6.1.2)', 'n_buffers is 0: packet-ins carry the frame'],
  ['OFPMP_EXPERIMENTER beyond those above', 'OFPBRC_BAD_EXPERIMENTER or OFPBRC_BAD_EXP_TYPE'],
  ['Geneve and its options (tun_metadata), NSH', 'VXLAN is the tunnel that there is'],
]

export function openflowDoc(): string {
  return [
    '# OpenFlow',
    '',
    'What the switch speaks and does: OpenFlow 1.3.5, the ONF extensions for it, and those of Open vSwitch. This page is made by',
    '`npx tsx scripts/write-openflow-doc.ts` from the tables of the code; a test holds the two together.',
    '',
    '## Messages',
    '',
    ...table(['On the wire', 'In the code', 'Supported'], BODIES.map(messageRow)),
    '',
    '## Match fields',
    '',
    ...table(['Name', 'On the wire', 'Bits', 'Mask', 'Set', 'Needs', 'Supported'], FIELDS.map(fieldRow)),
    '',
    '## Actions',
    '',
    ...table(
      ['Action', 'Supported'],
      ACTION_TYPES.map((type) => [`\`${type}\``, support(ACTION_REMARKS[type])]),
    ),
    '',
    '## Not there',
    '',
    ...table(['What', 'Instead'], MISSING),
    '',
    '## Where it differs from Open vSwitch 3.1',
    '',
    'Tests hold the switch beside Open vSwitch, frame by frame and reply by reply. These are all the differences that they know of.',
    '',
    ...table(['What', 'Open vSwitch', 'Signalbox', 'Why'], DIFFERENCES),
    '',
  ].join('\n')
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  line(head),
  line(head.map(() => '---')),
  ...rows.map(line),
]

const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

const support = (remark: Remark | undefined) => (remark === undefined ? 'yes' : `${remark.support}: ${remark.why}`)

const messageRow = (body: Body) => [wireName(body), `\`${body.type}\``, support(MESSAGE_REMARKS[body.type])]

function wireName({ wire: { message, multipart, experimenter, subtype } }: Body): string {
  const type = multipart === undefined ? `OFPT ${nameOf(MessageCode, message)}` : multipartName(message, multipart)
  if (experimenter === undefined) return type
  const owner = nameOf(Experimenter, experimenter)
  return `${type}, ${owner === 'Onf' ? 'ONF' : owner} ${subtype}`
}

const multipartName = (message: number, multipart: number) =>
  `OFPMP ${nameOf(MultipartCode, multipart)} ${message === MessageCode.MultipartRequest ? 'request' : 'reply'}`

function nameOf(names: Readonly<Record<string, number>>, number: number): string {
  const found = Object.entries(names).find(([, value]) => value === number)
  if (found === undefined) throw new RangeError(`${number} has no name`)
  return found[0].replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
}

const fieldRow = ({ name, headers, bits, maskable, settable, prerequisite }: Field) => [
  `\`${name}\``,
  headers.map((header) => header.name).join(', '),
  String(bits),
  maskable ? 'yes' : 'no',
  settable ? 'yes' : 'no',
  prerequisite === 'none' ? '' : prerequisite,
  support(FIELD_REMARKS[name]),
]
