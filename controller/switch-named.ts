import type { Controller } from './controller.ts'
import { NotFound, type SwitchStatus } from './model.ts'

/**
 * The switch that a user means by `h1/br-int`, or by `h1` for a host's integration bridge.
 * @throws NotFound
 */
export function switchNamed(controller: Controller, name: string): SwitchStatus {
  const switches = controller.switches()
  const found = switches.find((status) => status.name === name) ?? switches.find(({ host }) => host === name)
  if (found === undefined)
    throw new NotFound(
      'switch',
      name,
      switches.map((status) => status.name),
    )
  return found
}
