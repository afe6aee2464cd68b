import { ReservedPort } from '../../protocols/control/messages.ts'
import { Word } from '../../protocols/fields.ts'
import type { GroupTable } from '../groups.ts'
import type { Step } from './steps.ts'

/**
 * Whether the step has to wait until the frame is read anew where what is under its outermost headers is not known. As in Open
 * vSwitch (`recirc_for_mpls`), all do but outputs and what writes no more than metadata, Ethernet and VLANs.
 */
export function needsReading(step: Step, groups: Pick<GroupTable, 'get'>): boolean {
  switch (step.type) {
    case 'output':
      return step.port === ReservedPort.Table
    case 'output_reg':
    case 'output_trunc':
    case 'set_vlan_vid':
    case 'set_vlan_pcp':
    case 'set_queue':
      return false
    case 'group':
      return groups.get(step.group)?.spec.groupType === 'select'
    case 'set_field':
      return step.field.word >= Word.mpls
    default:
      return true
  }
}
