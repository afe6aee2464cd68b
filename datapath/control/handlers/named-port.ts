import { Refused } from '../../../protocols/control/refused.ts'
import type { Port } from '../../port.ts'
import type { Switch } from '../../switch.ts'

/** @throws Refused where there is none */
export function portNamed(device: Switch, name: string): Port {
  const port = device.ports.byName(name)
  if (port === undefined) throw new Refused('OFPBRC_BAD_PORT', 'port', `there is no port '${name}'`)
  return port
}
