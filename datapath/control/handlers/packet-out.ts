import type { MessageOf } from '../../../protocols/control/messages.ts'
import { NO_BUFFER, ReservedPort } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { viewOf } from '../../../protocols/bytes.ts'
import { KEY_WORDS, fieldOf } from '../../../protocols/fields.ts'
import type { KnownFrame } from '../../../protocols/known-frame.ts'
import { knownOf } from '../../../protocols/known-frame.ts'
import type { FieldMatch } from '../../../protocols/match.ts'
import { missingPrerequisite } from '../../../protocols/match.ts'
import { ETHERNET_HEADER_SIZE } from '../../../protocols/packet/ethernet.ts'
import { VLAN_TAG_SIZE, announcesVlan } from '../../../protocols/packet/vlan.ts'
import { extractKey, readField } from '../../flow-key.ts'
import type { CheckContext } from '../../flow-check.ts'
import { checkActions } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { checkLength } from './held-frames.ts'

const HIGHEST_NUMBER = 0xfeff

/**
 * A frame of the controller's own. It need not have come in anywhere: `controller` is an in_port too, and 0, which no port has.
 * One that is too short for its header is dropped as one that came in would be. As in Open vSwitch the actions must suit it, where
 * those of flows must suit their matches.
 * @throws Refused
 */
export function checkPacketOut(
  device: Switch,
  { inPort, actions, frame, bufferId = NO_BUFFER }: MessageOf<'packetOut'>,
  known: CheckContext,
): void {
  if (bufferId !== NO_BUFFER)
    throw new Refused('OFPBRC_BUFFER_UNKNOWN', 'bufferId', `this switch keeps no packets, ${bufferId} neither`)
  const isReserved = inPort === ReservedPort.Controller || inPort === ReservedPort.Local || inPort === ReservedPort.Any
  if (!isReserved && inPort > HIGHEST_NUMBER)
    throw new Refused('OFPBRC_BAD_PORT', 'inPort', `${inPort} is no port to come from`)
  checkLength(frame, 'frame')
  const isAsked = known.consistent === true && actions.some(({ type }) => type !== 'output')
  const asked = isAsked ? knownFrame(device, frame, inPort) : undefined
  checkActions(actions, [], { ...known, packetOut: { frame: asked } }, 'actions')
}

/** What the fields of other fields' prerequisites are in this frame. */
function knownFrame({ arena }: Switch, bytes: Uint8Array, inPort: number): KnownFrame {
  const key = new Uint32Array(KEY_WORDS)
  const frame = arena.allocateFrom(bytes)
  extractKey(arena, frame, inPort, key)
  arena.release(frame)
  const match: FieldMatch[] = []
  for (const field of SHAPE)
    if (missingPrerequisite(field, match) === undefined) match.push({ field: field.name, value: readField(key, field) })
  return { ...knownOf(match), tags: tagsOf(bytes) }
}

const SHAPE = (['eth_type', 'ip_frag', 'nw_proto', 'icmpv6_type', 'icmpv6_code'] as const).map(fieldOf)

/** Open vSwitch looks no deeper. */
const MOST_TAGS = 2

function tagsOf(bytes: Uint8Array): number {
  const view = viewOf(bytes)
  for (let tags = 0; tags < MOST_TAGS; tags++) {
    const end = ETHERNET_HEADER_SIZE + tags * VLAN_TAG_SIZE
    if (bytes.length < end + VLAN_TAG_SIZE || !announcesVlan(view.getUint16(end - 2))) return tags
  }
  return MOST_TAGS
}

export function packetOut(device: Switch, { inPort, actions, frame }: MessageOf<'packetOut'>): void {
  device.inject(device.arena.allocateFrom(frame), inPort, actions)
}
