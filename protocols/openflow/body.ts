// How one kind of message goes on the wire behind its headers.

import type { Message, MessageOf, MessageType } from '../control/messages.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { WireType } from './header.ts'
import { MAXIMUM_MESSAGE, endMessage, startMessage } from './header.ts'

/** What a body's reader may want to know of the headers. */
export interface Headers {
  version: number
  xid: number
  /** More parts of a multipart message follow this one. */
  more: boolean
}

export interface Body {
  readonly type: MessageType
  readonly wire: WireType
  /**
   * The whole message; several where a multipart reply takes more room than one has.
   * @throws RangeError a value that does not fit.
   */
  encode(message: Message, xid: number): Uint8Array[]
  /**
   * The body, up to the end of `reader`.
   * @throws Refused with OpenFlow's own code.
   */
  decode(reader: ByteReader, headers: Headers): Message
}

type Decode<T extends MessageType> = (reader: ByteReader, headers: Headers) => MessageOf<T>

/** A body in one message. */
export function body<T extends MessageType>(
  type: T,
  wire: WireType,
  encode: (writer: ByteWriter, message: MessageOf<T>, xid: number) => void,
  decode: Decode<T>,
): Body {
  return {
    type,
    wire,
    encode(message, xid) {
      const writer = startMessage(wire, xid)
      encode(writer, message as MessageOf<T>, xid)
      return [endMessage(writer)]
    },
    decode,
  }
}

/** Nothing behind the headers. */
export const emptyBody = <T extends MessageType>(type: T, wire: WireType, message: MessageOf<T>): Body =>
  body(
    type,
    wire,
    () => {},
    () => message,
  )

/** A multipart body that is a list, cut between items where it is too long for one message. */
export function listBody<T extends MessageType, Item>(
  type: T,
  wire: WireType,
  items: (message: MessageOf<T>) => readonly Item[],
  encodeItem: (writer: ByteWriter, item: Item) => void,
  decode: Decode<T>,
): Body {
  return {
    type,
    wire,
    encode: (message, xid) =>
      encodeParts(
        wire,
        xid,
        items(message as MessageOf<T>).map((item) => (writer: ByteWriter) => encodeItem(writer, item)),
        'more' in message && message.more,
      ),
    decode,
  }
}

function encodeParts(
  wire: WireType,
  xid: number,
  items: ((writer: ByteWriter) => void)[],
  more: boolean,
): Uint8Array[] {
  const parts: Uint8Array[] = []
  let part = startMessage(wire, xid)
  const empty = part.length
  for (const write of items) {
    const item = startMessage(wire, xid)
    write(item)
    const bytes = item.take().subarray(empty)
    if (part.length > empty && part.length + bytes.length > MAXIMUM_MESSAGE) {
      parts.push(endMessage(part, true))
      part = startMessage(wire, xid)
    }
    part.bytes(bytes)
  }
  return [...parts, endMessage(part, more)]
}
