// Copies that leave: by port number, by the reserved ones, through tunnels.

import { ReservedPort } from '../../protocols/control/messages.ts'
import { Word } from '../../protocols/fields.ts'
import { portFromWire16 } from '../../protocols/port-numbers.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Flow } from '../flow.ts'
import type { MacTable } from '../mac-table.ts'
import { forwardNormally } from '../normal.ts'
import type { Translation } from './translation.ts'
import type { Port } from '../port.ts'
import type { PortTable } from '../ports.ts'

export interface OutputContext {
  readonly ports: Pick<PortTable, 'byNumber'> & Iterable<Port>
  readonly macTable: Pick<MacTable, 'lookup'>
}

/** OpenFlow 1.0's numbers have 16 bits, and so have Open vSwitch's in registers: 0xfffe is the local port, 0xffff is none. */
const LAST_NUMBER = 0xffffn

/** The port that a number out of a field means; undefined where it means none. */
export function portFrom(value: bigint): number | undefined {
  if (value < LAST_NUMBER) return portFromWire16(Number(value))
  return value > BigInt(ReservedPort.Max) && value < BigInt(ReservedPort.Any) ? Number(value) : undefined
}

const LEARNABLE: ReadonlySet<number> = new Set([
  ReservedPort.InPort,
  ReservedPort.Flood,
  ReservedPort.Local,
  ReservedPort.All,
])

/** Whether a learned flow may send there. */
export const canLearnOutput = (port: number): boolean => port < ReservedPort.Max || LEARNABLE.has(port)

/** What the copies have in common: of how many bytes they are, which flow says so, and who is told why things go as they do. */
export interface Copies {
  maxLength: number | undefined
  flow: Flow | undefined
  told: ((text: string) => void) | undefined
}

export function outputToNumber(frame: Translation, { ports }: OutputContext, number: number, copies: Copies): void {
  const port = ports.byNumber(number)
  if (port) return outputTo(frame, port, copies)
  copies.told?.('Nonexistent output port')
  frame.note('unknown_port', copies.flow)
}

/** FLOOD leaves out the ports for which a controller has said so. */
export function outputToAll(frame: Translation, { ports }: OutputContext, isFlood: boolean, copies: Copies): void {
  const ingress = frame.key[Word.inPort]
  for (const port of ports)
    if (port.number !== ingress && !(isFlood && port.flags.noFlood)) outputTo(frame, port, copies)
  frame.note('no_recipient', copies.flow)
}

export function outputNormally(frame: Translation, context: OutputContext, now: Nanoseconds, copies: Copies): void {
  const { ports, macTable } = context
  const output = (port: Port) => outputTo(frame, port, copies)
  forwardNormally(frame, { ports, macTable, now, output, note: copies.told })
}

function outputTo(frame: Translation, port: Port, { maxLength, flow, told }: Copies): void {
  if (frame.bare) {
    told?.('Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.')
    return frame.note('unsupported_packet_type', flow)
  }
  const { tunnel } = port.config
  if (tunnel === undefined) return frame.output(port.number, maxLength, flow)
  const destination = tunnel.remoteIp === 'flow' ? frame.read(Word.tunnelDestination) : tunnel.remoteIp
  if (destination === 0) {
    told?.('Tunneling decided against output')
    return frame.note('unknown_tunnel', flow)
  }
  const tunnelId = tunnel.key === 'flow' ? frame.tunnelId() : BigInt(tunnel.key)
  const source = tunnel.localIp === 0 ? frame.read(Word.tunnelSource) : tunnel.localIp
  frame.tunnelOutput(port.number, { tunnelId, source, destination }, maxLength, flow)
}
