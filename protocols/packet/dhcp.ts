// RFC 2131 §2 and RFC 2132, for clients on Ethernet.
//
//   | operation 8 | hardware type 8 | hardware size 8 | hops 8 | transaction 32 | seconds 16 | broadcast 1 | zero 15 |
//   | client address 32 | your address 32 | server address 32 | gateway address 32 |
//   | client hardware address 128 | server name 512 | boot file 1024 | magic cookie 32 | options … |
//   option: | code 8 | length 8 | data … |      code 0 is a byte of padding, code 255 ends the list

import { bytesOf, copyOf, getMac, requireBytes, setMac } from '../bytes.ts'
import { Malformed } from '../errors.ts'

const OPERATION = 0
const HARDWARE = 1
const HOPS = 3
const TRANSACTION = 4
const SECONDS = 8
const FLAGS = 10
const CLIENT_ADDRESS = 12
const YOUR_ADDRESS = 16
const SERVER_ADDRESS = 20
const GATEWAY_ADDRESS = 24
const CLIENT_HARDWARE = 28
const SERVER_NAME = 44
const BOOT_FILE = 108
const COOKIE = 236
const OPTIONS = 240

const ETHERNET = 0x0106
const BROADCAST = 0x8000
const MAGIC_COOKIE = 0x63825363
const PAD = 0
const END = 255

export const DhcpPort = { Server: 67, Client: 68 } as const
export const DhcpOperation = { Request: 1, Reply: 2 } as const
export const DhcpOptionCode = {
  SubnetMask: 1,
  Router: 3,
  HostName: 12,
  RequestedAddress: 50,
  LeaseTime: 51,
  MessageType: 53,
  ServerIdentifier: 54,
  ParameterRequestList: 55,
  ClientIdentifier: 61,
} as const

/** By the value of the option `MessageType`. */
export const DHCP_MESSAGE_TYPES = [
  undefined,
  'discover',
  'offer',
  'request',
  'decline',
  'ack',
  'nak',
  'release',
  'inform',
] as const

export interface DhcpOption {
  code: number
  /** At most 255 bytes. Longer values come in several options of one code (RFC 3396). */
  data: Uint8Array
}

export interface DhcpMessage {
  operation: number
  hops: number
  transactionId: number
  seconds: number
  broadcast: boolean
  clientAddress: number
  yourAddress: number
  serverAddress: number
  gatewayAddress: number
  clientMac: bigint
  /** At most 64 characters of Latin-1. */
  serverName: string
  /** At most 128 characters of Latin-1. */
  bootFile: string
  options: DhcpOption[]
}

/** @throws Malformed a message cut short, not of Ethernet, without the magic cookie, or whose options do not fit or end. */
export function decodeDhcp(view: DataView, at: number, end = view.byteLength): DhcpMessage {
  requireBytes('dhcp', 'message', at, end, OPTIONS)
  if (view.getUint16(at + HARDWARE) !== ETHERNET)
    throw new Malformed('dhcp', 'hardware type and size are not those of Ethernet', at + HARDWARE)
  if (view.getUint32(at + COOKIE) !== MAGIC_COOKIE) throw new Malformed('dhcp', 'no magic cookie', at + COOKIE)
  return {
    operation: view.getUint8(at + OPERATION),
    hops: view.getUint8(at + HOPS),
    transactionId: view.getUint32(at + TRANSACTION),
    seconds: view.getUint16(at + SECONDS),
    broadcast: (view.getUint16(at + FLAGS) & BROADCAST) !== 0,
    clientAddress: view.getUint32(at + CLIENT_ADDRESS),
    yourAddress: view.getUint32(at + YOUR_ADDRESS),
    serverAddress: view.getUint32(at + SERVER_ADDRESS),
    gatewayAddress: view.getUint32(at + GATEWAY_ADDRESS),
    clientMac: getMac(view, at + CLIENT_HARDWARE),
    serverName: decodeText(view, at + SERVER_NAME, at + BOOT_FILE),
    bootFile: decodeText(view, at + BOOT_FILE, at + COOKIE),
    options: decodeOptions(view, at + OPTIONS, end),
  }
}

/** Text up to its first zero byte. */
const decodeText = (view: DataView, from: number, to: number) =>
  Buffer.from(copyOf(view, from, to))
    .toString('latin1')
    .replace(/\0.*$/s, '')

function decodeOptions(view: DataView, from: number, end: number): DhcpOption[] {
  const options: DhcpOption[] = []
  let at = from
  for (;;) {
    requireBytes('dhcp', 'options', at, end, 1)
    const code = view.getUint8(at)
    if (code === END) return options
    if (code !== PAD) {
      requireBytes('dhcp', 'option', at, end, 2)
      requireBytes('dhcp', 'option', at, end, 2 + view.getUint8(at + 1))
      options.push({ code, data: copyOf(view, at + 2, at + 2 + view.getUint8(at + 1)) })
    }
    at += code === PAD ? 1 : 2 + view.getUint8(at + 1)
  }
}

/** Bytes that the message takes, the end of its options included. */
export const dhcpSize = (message: DhcpMessage): number =>
  message.options.reduce((sum, option) => sum + 2 + option.data.length, OPTIONS) + 1

/**
 * Returns where the message ends.
 * @throws RangeError a name, file or option that is too long for its field.
 */
export function encodeDhcp(message: DhcpMessage, view: DataView, at: number): number {
  bytesOf(view).fill(0, at, at + OPTIONS)
  view.setUint8(at + OPERATION, message.operation)
  view.setUint16(at + HARDWARE, ETHERNET)
  view.setUint8(at + HOPS, message.hops)
  view.setUint32(at + TRANSACTION, message.transactionId)
  view.setUint16(at + SECONDS, message.seconds)
  view.setUint16(at + FLAGS, message.broadcast ? BROADCAST : 0)
  view.setUint32(at + CLIENT_ADDRESS, message.clientAddress)
  view.setUint32(at + YOUR_ADDRESS, message.yourAddress)
  view.setUint32(at + SERVER_ADDRESS, message.serverAddress)
  view.setUint32(at + GATEWAY_ADDRESS, message.gatewayAddress)
  setMac(view, at + CLIENT_HARDWARE, message.clientMac)
  encodeText(message.serverName, view, at + SERVER_NAME, at + BOOT_FILE)
  encodeText(message.bootFile, view, at + BOOT_FILE, at + COOKIE)
  view.setUint32(at + COOKIE, MAGIC_COOKIE)
  return encodeOptions(message.options, view, at + OPTIONS)
}

function encodeText(text: string, view: DataView, from: number, to: number): void {
  if (text.length > to - from) throw new RangeError(`'${text}' is longer than ${to - from} characters`)
  bytesOf(view).set(Buffer.from(text, 'latin1'), from)
}

function encodeOptions(options: readonly DhcpOption[], view: DataView, from: number): number {
  let at = from
  for (const { code, data } of options) {
    if (data.length > 255) throw new RangeError(`${data.length} bytes in DHCP option ${code}; at most 255 fit`)
    view.setUint8(at, code)
    view.setUint8(at + 1, data.length)
    bytesOf(view).set(data, at + 2)
    at += 2 + data.length
  }
  view.setUint8(at, END)
  return at + 1
}

/** The kind of a message (`discover`, `offer`, …); undefined where it names none that RFC 2132 §9.6 knows. */
export function dhcpMessageType(message: DhcpMessage): string | undefined {
  const option = message.options.find(({ code }) => code === DhcpOptionCode.MessageType)
  return option?.data[0] === undefined ? undefined : DHCP_MESSAGE_TYPES[option.data[0]]
}
