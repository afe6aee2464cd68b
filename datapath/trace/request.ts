// `ofproto/trace [BRIDGE] [OPTIONS] FLOW [PACKET]`: ovs-vswitchd(8), as words.

import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { FlowTextOptions } from '../../protocols/flow-text/ports.ts'
import { parseMatch } from '../../protocols/flow-text/parse.ts'
import { FlowSyntaxError } from '../../protocols/flow-text/syntax-error.ts'
import type { FlowKey } from '../flow-key.ts'
import { ETHERNET_HEADER_SIZE, extractKey } from '../flow-key.ts'
import { FrameArena, MAX_FRAME_LENGTH } from '../frames.ts'
import { packMatch } from '../packed-match.ts'
import type { Switch } from '../switch.ts'
import { parseConnectionState } from './resumption.ts'
import type { TraceRequest } from './trace.ts'

/**
 * Reads the words behind `ofproto/trace`.
 * @throws Error a word that makes no sense, FlowSyntaxError
 */
export function parseTraceWords(device: Switch, given: readonly string[]): TraceRequest {
  const states: number[] = []
  const words: string[] = []
  for (let index = 0; index < given.length; index++) {
    const word = given[index]
    if (word === '--ct-next') {
      const state = given[++index]
      if (state === undefined) throw new Error('Missing argument for option --ct-next')
      states.push(parseConnectionState(state))
    } else if (/^--?(generate|consistent)$/.test(word)) continue
    else if (word.startsWith('-')) throw new Error(`${word}: unknown option`)
    else words.push(word)
  }
  if (words.length > 3) throw new Error('too many arguments')
  if (words.length === 3 || (words.length === 2 && !isFlow(words[0]))) requireBridge(device, words.shift())
  const [flow, packet] = words
  if (flow === undefined) throw new Error(`expected [${device.name}] FLOW [PACKET]`)
  const request = packet === undefined ? requestOf(device, flow) : requestOf(device, flow, bytesFrom(packet))
  return states.length === 0 ? request : { ...request, connectionStates: states }
}

/** A flow in front of a packet; a bridge is named otherwise. */
const isFlow = (word: string): boolean => /[=,]/.test(word)

function requireBridge({ name }: Switch, bridge: string | undefined): void {
  if (bridge !== name) throw new Error(`${bridge}: unknown bridge; this is ${name}`)
}

/**
 * What flow syntax says of a frame, or of what is known beside `frame`.
 * @throws FlowSyntaxError, Error a field with a mask
 */
export function requestOf(device: Switch, flow: string, frame?: Uint8Array): TraceRequest {
  const match = parseExact(flow, { ports: portNames(device) })
  const key = keyFrom(match)
  if (frame !== undefined) return { key: withHeaders(key, frame), frame }
  return leavesFlagsOpen(match) ? { key, anyTcpFlags: true } : { key }
}

/** Whether it is of TCP and says nothing of flags. */
export const leavesFlagsOpen = (match: Match): boolean =>
  match.some(({ field, value }) => field === 'nw_proto' && value === BigInt(IpProtocol.Tcp)) &&
  !match.some(({ field }) => field === 'tcp_flags')

/** The switch's ports, for flow syntax. */
export const portNames = ({ ports }: Switch): NonNullable<FlowTextOptions['ports']> => ({
  number: (name) => ports.byName(name)?.number,
  name: (number) => ports.byNumber(number)?.name,
  names: () => [...ports].map(({ name }) => name),
})

function parseExact(text: string, options: FlowTextOptions): Match {
  const match = read(text, options)
  const masked = match.find(({ field, mask }) => mask !== undefined && field !== 'vlan_vid' && field !== 'ip_frag')
  if (masked !== undefined) throw new Error(`${masked.field} has a mask, and a frame has one value`)
  return match
}

function read(text: string, options: FlowTextOptions): Match {
  try {
    return parseMatch(text, options)
  } catch (error) {
    if (!(error instanceof FlowSyntaxError)) throw error
    throw new Error(`Bad openflow flow syntax: ${error.message}`, { cause: error })
  }
}

function keyFrom(match: Match): FlowKey {
  const key = new Uint32Array(KEY_WORDS)
  key.set(packMatch(match).value)
  // A tag of a match has no type.
  if (key[Word.vlan] !== 0 && key[Word.vlan] >>> 16 === 0) key[Word.vlan] = ((0x8100 << 16) | key[Word.vlan]) >>> 0
  return key
}

/** What the flow says of headers gives way to those of the frame. */
export function withHeaders(key: FlowKey, frame: Uint8Array): FlowKey {
  const arena = new FrameArena()
  const whole = new Uint32Array(KEY_WORDS)
  extractKey(arena, arena.allocateFrom(frame), key[Word.inPort], whole)
  whole.set(key.subarray(0, Word.ethernetDestination))
  return whole
}

/** @throws Error what is no frame in hexadecimal digits */
export function bytesFrom(text: string): Uint8Array {
  const digits = text.replaceAll(/[\s:]/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error('Trailing garbage in packet data')
  if (digits.length < 2 * ETHERNET_HEADER_SIZE) throw new Error('Packet data too short for Ethernet')
  if (digits.length > 2 * MAX_FRAME_LENGTH) throw new Error(`Packet data longer than ${MAX_FRAME_LENGTH} bytes`)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}
