import { appOfCookie } from '../controller/tables.ts'
import type { DropReason } from '../datapath/drops.ts'
import type { Flow } from '../datapath/flow.ts'

/** What a drop by one of the controller's tables means to the person who wrote the policy. */
const MEANING: Readonly<Record<string, string>> = {
  classifier: 'vlan_mismatch',
  port_security: 'port_security',
  security_groups: 'security_group',
}

/** Of these a flow is the reason: it says drop, or that only the controller is to hear of the frame. */
const ENDS: ReadonlySet<DropReason> = new Set(['drop_action_of_pipeline', 'to_controller'])

/**
 * The name under which a drop is reported: the switch's own, but where a flow said drop, what the flow is for: the policy's
 * name, or `user_flow`.
 */
export function dropName(reason: DropReason, flow: Flow | undefined): string {
  if (!ENDS.has(reason) || flow === undefined) return reason
  const app = appOfCookie(flow.spec.cookie)
  if (app !== undefined) return MEANING[app] ?? reason
  return reason === 'to_controller' ? reason : 'user_flow'
}
