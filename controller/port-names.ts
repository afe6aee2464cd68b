import type { PortNames } from '../protocols/flow-text/ports.ts'
import type { SwitchStatus } from './model.ts'

/** The ports of a switch, as flow text names them. */
export function portNames({ ports }: SwitchStatus): PortNames {
  const byName = new Map(ports.map(({ name, number }) => [name, number]))
  const byNumber = new Map(ports.map(({ name, number }) => [number, name]))
  return {
    number: (name) => byName.get(name),
    name: (number) => byNumber.get(number),
    names: () => byName.keys(),
  }
}
