import { fullSwitchName } from '../topologies/lookup.ts'
import type { Controller } from './controller.ts'
import { NotFound, type SwitchStatus } from './model.ts'

/**
 * The switch that a user means by `h1/br-int`, or by `h1` for a host's integration bridge.
 * @throws NotFound
 */
export function switchNamed(controller: Controller, name: string): SwitchStatus {
  const switches = controller.switches()
  const full = fullSwitchName(controller.topology, name)
  const found = switches.find((status) => status.name === full)
  if (found === undefined)
    throw new NotFound(
      'switch',
      name,
      switches.map((status) => status.name),
    )
  return found
}
