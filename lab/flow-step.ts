import type { Controller } from '../controller/controller.ts'
import { parseFlow, parseFlowFilter } from '../protocols/flow-text/parse.ts'
import type { Step } from '../topologies/scenario.ts'
import { portNames } from './port-names.ts'

/**
 * Adds or deletes a user's flow, in ovs-ofctl syntax.
 * @throws FlowSyntaxError, NotFound, SwitchRefused, Conflict
 */
export async function applyFlow(controller: Controller, step: Extract<Step, { type: 'flow' }>): Promise<void> {
  const options = { ports: portNames(controller, step.switch) }
  if (step.command === 'add') await controller.addFlows([{ switch: step.switch, flow: parseFlow(step.flow, options) }])
  else await controller.deleteFlows(step.switch, parseFlowFilter(step.flow, options))
}
