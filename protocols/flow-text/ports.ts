import { ReservedPort } from '../control/messages.ts'
import { portFromWire16 } from '../port-numbers.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'
import { unquoted } from './words.ts'

/** The ports of the switch that a flow is for. */
export interface PortNames {
  number(name: string): number | undefined
  name(number: number): string | undefined
  /** For a "did you mean". */
  names?(): Iterable<string>
}

export interface FlowTextOptions {
  /** Port names that are understood and printed; numbers only where absent. */
  ports?: PortNames | undefined
}

/** Reserved ports as Open vSwitch writes them; any case is read. */
const RESERVED = new Map<string, number>([
  ['IN_PORT', ReservedPort.InPort],
  ['TABLE', ReservedPort.Table],
  ['NORMAL', ReservedPort.Normal],
  ['FLOOD', ReservedPort.Flood],
  ['ALL', ReservedPort.All],
  ['CONTROLLER', ReservedPort.Controller],
  ['LOCAL', ReservedPort.Local],
  ['ANY', ReservedPort.Any],
])
const RESERVED_NAMES = new Map([...RESERVED].map(([name, number]) => [number, name]))

/** OpenFlow 1.0 had 16 bits for a port: its reserved ones stand for the 32-bit ones. */
const FIRST_RESERVED_16 = 0xfff8
const MAXIMUM_PORT_16 = 0xffff

export const reservedPort = (text: string): number | undefined => RESERVED.get(text.toUpperCase())

export const reservedPortName = (port: number): string | undefined => RESERVED_NAMES.get(port)

/** The port that `text` names, undefined where it names none. */
export function findPort(text: string, options: FlowTextOptions): number | undefined {
  return options.ports?.number(unquoted(text)) ?? reservedPort(text) ?? portNumber(text)
}

function portNumber(text: string): number | undefined {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) return undefined
  const number = Number(text)
  if (number >= FIRST_RESERVED_16 && number <= MAXIMUM_PORT_16) return portFromWire16(number)
  return number < ReservedPort.Max || RESERVED_NAMES.has(number) ? number : undefined
}

export function parsePort(piece: Piece, options: FlowTextOptions): number {
  const port = findPort(piece.text, options)
  if (port !== undefined) return port
  const names = [...(options.ports?.names?.() ?? []), ...RESERVED.keys()]
  const problem = piece.text === '' ? 'a port is missing' : `unknown port '${piece.text}'`
  throw new FlowSyntaxError(piece.column, problem, "a port's name or number", suggestion(unquoted(piece.text), names))
}

/** Its name, where it has one, in quotes where the syntax would trip over it; else its number. */
export function formatPort(port: number, options: FlowTextOptions): string {
  const reserved = reservedPortName(port)
  if (reserved !== undefined) return reserved
  const name = options.ports?.name(port)
  if (name === undefined) return String(port)
  return /^[A-Za-z_][\w.-]*$/.test(name) && reservedPort(name) === undefined ? name : `"${name}"`
}
