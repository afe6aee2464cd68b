import type { Controller } from '../controller/controller.ts'
import { NotFound } from '../controller/model.ts'
import type { PortNames } from '../protocols/flow-text/ports.ts'

/**
 * The ports of a switch by name, for flow text.
 * @throws NotFound
 */
export function portNames(controller: Controller, switchName: string): PortNames {
  const switches = controller.switches()
  const found = switches.find(({ name }) => name === switchName)
  if (found === undefined)
    throw new NotFound(
      'switch',
      switchName,
      switches.map(({ name }) => name),
    )
  return new Map(found.ports.map(({ name, number }) => [name, number]))
}
