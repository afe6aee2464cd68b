// Port numbers of 16 and of 32 bits. OpenFlow 1.0's, which Open vSwitch's own actions keep, has the reserved ones at the end of
// 16 bits, OpenFlow 1.3 at the end of 32; Open vSwitch gives no port a number between (lib/ofp-port.c).

import { ReservedPort } from './control/ports.ts'
import { Refused } from './control/refused.ts'

/** First reserved number of 16 bits. */
const MAX_16 = 0xff00
const UP = ReservedPort.Max - MAX_16

export const portFromWire16 = (port: number): number => (port >= MAX_16 ? port + UP : port)

/** @throws Refused OFPBAC_BAD_OUT_PORT: the number has no place in 16 bits. */
export function portToWire16(port: number): number {
  if (!portIsSound(port)) throw new Refused('OFPBAC_BAD_OUT_PORT', 'port', `port ${port} does not fit into 16 bits`)
  return port >= ReservedPort.Max ? port - UP : port
}

/** Whether a 32-bit number has its like in 16 bits; no port has another. */
export const portIsSound = (port: number): boolean => port < MAX_16 || port >= ReservedPort.Max

/** Whether frames can be sent to it: lib/ofp-actions.c, ofpact_check_output_port. */
export const portTakesFrames = (port: number): boolean =>
  port < MAX_16 || (port >= ReservedPort.InPort && port !== ReservedPort.Any)
