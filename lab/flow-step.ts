import type { Controller } from '../controller/controller.ts'
import { portNames } from '../controller/port-names.ts'
import { switchNamed } from '../controller/switch-named.ts'
import { parseFlow, parseFlowFilter } from '../protocols/flow-text/parse.ts'
import type { Step } from '../topologies/scenario.ts'

/**
 * Adds or deletes a user's flow, in ovs-ofctl syntax.
 * @throws FlowSyntaxError, NotFound, SwitchRefused, Conflict
 */
export async function applyFlow(controller: Controller, step: Extract<Step, { type: 'flow' }>): Promise<void> {
  const target = switchNamed(controller, step.switch)
  const options = { ports: portNames(target) }
  if (step.command === 'add') await controller.addFlows([{ switch: target.name, flow: parseFlow(step.flow, options) }])
  else await controller.deleteFlows(target.name, parseFlowFilter(step.flow, options))
}
