// Who leads: OpenFlow 1.3 §7.3.9, Open vSwitch's NXT_ROLE_REQUEST from before, which counts from `equal`, and who leads no more:
// ONF extension 191, which is OpenFlow 1.4's role-status (§7.4.4).
//
//   | role 32 | reason 8 | pad 24 | generation id 64 |

import type { Role } from '../../control/messages.ts'
import { ROLES, ROLE_STATUS_REASONS } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import { MessageCode, nicira, onf } from '../header.ts'

function roleOf(code: number): Role {
  const role = ROLES[code]
  if (role === undefined) throw new Refused('OFPRRFC_BAD_ROLE', 'role', `there is no role ${code}`)
  return role
}

const openflow = (type: 'roleRequest' | 'roleReply', message: number): Body =>
  body(
    type,
    { message },
    (writer, { role, generationId }) => {
      writer.u32(ROLES.indexOf(role))
      writer.zero(4)
      writer.u64(generationId)
    },
    (reader) => {
      const role = roleOf(reader.u32())
      reader.skip(4)
      return { type, role, generationId: reader.u64() }
    },
  )

const FIRST_NICIRA_ROLE = ROLES.indexOf('equal')
/** In place of a generation id, where there is none. */
const NO_GENERATION = 0xffff_ffff_ffff_ffffn

const older = (type: 'roleRequest' | 'roleReply', subtype: number): Body =>
  body(
    type,
    nicira(subtype),
    (writer, { role }) => writer.u32(ROLES.indexOf(role) - FIRST_NICIRA_ROLE),
    (reader) => ({ type, role: roleOf(reader.u32() + FIRST_NICIRA_ROLE), generationId: NO_GENERATION }),
  )

const roleStatus = body(
  'roleStatus',
  onf(1911),
  (writer, { role, reason, generationId }) => {
    writer.u32(ROLES.indexOf(role))
    writer.u8(ROLE_STATUS_REASONS.indexOf(reason))
    writer.zero(3)
    writer.u64(generationId)
  },
  (reader) => {
    const role = roleOf(reader.u32())
    const code = reader.u8()
    const reason = ROLE_STATUS_REASONS[code]
    if (reason === undefined) throw new Refused('bad_request', 'reason', `no role changes for reason ${code}`)
    reader.skip(3)
    return { type: 'roleStatus', role, reason, generationId: reader.u64() }
  },
)

export const ROLE: readonly Body[] = [
  openflow('roleRequest', MessageCode.RoleRequest),
  openflow('roleReply', MessageCode.RoleReply),
  roleStatus,
]
export const NICIRA_ROLE_REQUEST = older('roleRequest', 10)
export const NICIRA_ROLE_REPLY = older('roleReply', 11)
