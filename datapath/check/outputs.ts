// Actions that say where a frame goes, and by which share.

import { HASH_FIELDS, ReservedPort } from '../../protocols/control/messages.ts'
import type { Subfield } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { portTakesFrames } from '../../protocols/port-numbers.ts'
import type { ActionOf, CheckContext, Place } from './context.ts'
import { isBits, refuseUnless } from './context.ts'
import { checkSource, checkTarget } from './fields.ts'

const ETHERNET_HEADER_SIZE = 14
/** Open vSwitch's BUNDLE_MAX_MEMBERS. */
const MOST_MEMBERS = 2048
const MOST_LINKS = 65536
const PORT_BITS = 16

/** Open vSwitch's ofpact_check_output_port: a port may come later, a number that none can have is refused. */
export function checkOutPort(port: number, path: string): void {
  if (isBits(port, 32) && portTakesFrames(port)) return
  const problem = `${port} is no port to send to; expected a number below 65280 or a reserved one`
  throw new Refused('OFPBAC_BAD_OUT_PORT', path, problem)
}

export function checkOutputReg({ from, maxLength }: ActionOf<'output_reg'>, place: Place): void {
  checkSource(from, place, `${place.path}.from`)
  checkLength(maxLength, `${place.path}.maxLength`)
}

export function checkOutputTrunc({ port, maxLength }: ActionOf<'output_trunc'>, { path }: Place): void {
  checkOutPort(port, `${path}.port`)
  const isFrame = isBits(maxLength, 32) && maxLength >= ETHERNET_HEADER_SIZE
  const problem = `${maxLength} bytes; expected at least ${ETHERNET_HEADER_SIZE}`
  refuseUnless(isFrame, 'OFPBAC_BAD_ARGUMENT', `${path}.maxLength`, problem)
}

export function checkController({ maxLength, controllerId = 0 }: ActionOf<'controller'>, { path }: Place): void {
  checkLength(maxLength, `${path}.maxLength`)
  refuseUnless(
    isBits(controllerId, 16),
    'OFPBAC_BAD_ARGUMENT',
    `${path}.controllerId`,
    `${controllerId} is no controller`,
  )
}

function checkLength(length: number, path: string): void {
  refuseUnless(isBits(length, 16), 'OFPBAC_BAD_ARGUMENT', path, `${length} bytes; expected 0 to 65535`)
}

export function checkGroup({ group }: ActionOf<'group'>, path: string, context: CheckContext): void {
  refuseUnless(context.groupExists(group), 'OFPBAC_BAD_OUT_GROUP', `${path}.group`, `there is no group ${group}`)
}

/** OFPQ_ALL is no queue to set. */
export function checkSetQueue({ queue }: ActionOf<'set_queue'>, { path }: Place): void {
  const isQueue = isBits(queue, 32) && queue !== 0xffffffff
  refuseUnless(isQueue, 'OFPBAC_BAD_QUEUE', `${path}.queue`, `${queue} is no queue`)
}

export function checkBundle(action: ActionOf<'bundle'>, place: Place): void {
  const { fields, basis, members, to } = action
  const { path } = place
  checkHash(fields, basis, path)
  const problem = `${members.length} members; expected at most ${MOST_MEMBERS}`
  refuseUnless(members.length <= MOST_MEMBERS, 'OFPBAC_BAD_ARGUMENT', `${path}.members`, problem)
  members.forEach((port, index) => checkMember(port, `${path}.members[${index}]`))
  if (to === undefined) return
  checkTarget(to, place, `${path}.to`)
  checkRoom(to, PORT_BITS, `${path}.to`)
}

/** A controller hears of a frame with a length that a bundle has no place for. */
function checkMember(port: number, path: string): void {
  if (port === ReservedPort.Any) return
  refuseUnless(port !== ReservedPort.Controller, 'OFPBAC_BAD_OUT_PORT', path, 'a controller can be no member')
  checkOutPort(port, path)
}

export function checkMultipath({ fields, basis, links, to }: ActionOf<'multipath'>, place: Place): void {
  const { path } = place
  checkHash(fields, basis, path)
  const isCount = Number.isInteger(links) && links >= 1 && links <= MOST_LINKS
  refuseUnless(isCount, 'OFPBAC_BAD_ARGUMENT', `${path}.links`, `${links}; expected 1 to ${MOST_LINKS}`)
  checkTarget(to, place, `${path}.to`)
  checkRoom(to, Math.ceil(Math.log2(links)), `${path}.to`)
}

function checkHash(fields: ActionOf<'multipath'>['fields'], basis: number, path: string): void {
  refuseUnless(HASH_FIELDS.includes(fields), 'OFPBAC_BAD_ARGUMENT', `${path}.fields`, `there is no hash of ${fields}`)
  refuseUnless(isBits(basis, 16), 'OFPBAC_BAD_ARGUMENT', `${path}.basis`, `${basis}; expected 0 to 65535`)
}

function checkRoom({ bits }: Subfield, needed: number, path: string): void {
  refuseUnless(bits >= needed, 'OFPBAC_BAD_ARGUMENT', `${path}.bits`, `${bits} bits; expected at least ${needed}`)
}

export function checkSample({ probability, samplingPort }: ActionOf<'sample'>, { path }: Place): void {
  const isShare = isBits(probability, 16) && probability > 0
  refuseUnless(isShare, 'OFPBAC_BAD_ARGUMENT', `${path}.probability`, `${probability}; expected 1 to 65535`)
  if (samplingPort !== undefined && samplingPort !== ReservedPort.Any)
    checkOutPort(samplingPort, `${path}.samplingPort`)
}
