// OFPT_ERROR: OpenFlow 1.3 §7.4.4. Behind the code stands the message that was refused, or its head.
//
//   | type 16 | code 16 | data |                       of OpenFlow
//   | 0xffff 16 | code 16 | experimenter 32 | data |   of an experimenter

import type { ErrorCode } from '../control/error-codes.ts'
import { ERROR_CODES, ErrorType, errorWith } from '../control/error-codes.ts'
import type { Body } from './body.ts'
import { body } from './body.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { Experimenter, MAXIMUM_MESSAGE, MessageCode, endMessage, startMessage } from './header.ts'

const WIRE = { message: MessageCode.Error }
const LARGEST_HEAD = 16

function writeCode(writer: ByteWriter, code: ErrorCode): void {
  const { type, code: number, experimenter } = ERROR_CODES[code]
  writer.u16(type)
  writer.u16(number)
  if (type === ErrorType.Experimenter) writer.u32(experimenter ?? Experimenter.Onf)
}

/** Undefined where nobody here knows it. */
function readCode(reader: ByteReader, type: number, number: number): { code: ErrorCode | undefined; whose: number } {
  const whose = type === ErrorType.Experimenter ? reader.u32() : Experimenter.Onf
  const code = errorWith(type, number)
  const isTheirs = code !== undefined && (ERROR_CODES[code].experimenter ?? Experimenter.Onf) === whose
  return { code: isTheirs ? code : undefined, whose }
}

/** `data`: the refused message, or as much of it as is known. It is cut where it would be too long. */
export function encodeError(code: ErrorCode, data: Uint8Array, xid: number): Uint8Array {
  const writer = startMessage(WIRE, xid)
  writeCode(writer, code)
  writer.bytes(data.subarray(0, MAXIMUM_MESSAGE - LARGEST_HEAD))
  return endMessage(writer)
}

const ascii = new TextEncoder()
const fromAscii = new TextDecoder()

/** There is no common version; `explanation` is ASCII text for people. */
export const encodeHelloFailed = (explanation: string, xid: number): Uint8Array =>
  encodeError('OFPHFC_INCOMPATIBLE', ascii.encode(explanation), xid)

/** Of a failed hello the data is text, of all else a message. */
function readData(reader: ByteReader, type: number): string {
  const data = reader.bytes(reader.remaining)
  return type === ErrorType.HelloFailed ? fromAscii.decode(data) : ''
}

export const ERROR: Body = body(
  'error',
  WIRE,
  (writer, { code, message }) => {
    writeCode(writer, code)
    if (ERROR_CODES[code].type === ErrorType.HelloFailed) writer.bytes(ascii.encode(message))
  },
  (reader) => {
    const [type, number] = [reader.u16(), reader.u16()]
    const { code, whose } = readCode(reader, type, number)
    const said = readData(reader, type)
    const message = said !== '' ? said : (code ?? `error ${type}/${number} of 0x${whose.toString(16)}`)
    return { type: 'error', code: code ?? 'unsupported', field: '', message }
  },
)
