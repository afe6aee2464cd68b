// One message <-> the member of the envelope that carries it, which is called as the message is.

import type { signalbox } from '../generated/control.js'
import type { MessageOf, MessageType } from '../messages.ts'
import { each, given, optional, UINT32 } from './values.ts'

export type WireEnvelope = signalbox.control.Envelope.$Properties

/** `at` is the path of the message with a dot at the end, '' where it stands alone. Both throw InvalidField. */
export interface MessageCodec<T extends MessageType> {
  toWire(message: MessageOf<T>, at: string): NonNullable<WireEnvelope[T]>
  fromWire(wire: NonNullable<WireEnvelope[T]>, at: string): MessageOf<T>
}

export type Codecs<T extends MessageType> = { readonly [Type in T]: MessageCodec<Type> }

/** A message that says all by being there. */
export const signal = <T extends MessageType>(type: T) => ({ toWire: () => ({}), fromWire: () => ({ type }) })

/** A message that may ask for one of many, by number. */
export const askingFor = <T extends MessageType, Name extends string>(type: T, name: Name) => ({
  toWire: (message: { [Key in Name]?: number }, at: string) =>
    ({ [name]: optional(message[name], UINT32, `${at}${name}`) }) as { [Key in Name]: number | null },
  fromWire: (wire: { [Key in Name]?: number | null }, at: string) => ({
    type,
    ...given(name, wire[name], UINT32, at),
  }),
})

/** A message that is a list under one name. */
export const listing = <T extends MessageType, Name extends string, Item, WireItem>(
  type: T,
  name: Name,
  toWire: (item: Item, path: string) => WireItem,
  fromWire: (wire: WireItem, path: string) => Item,
) => ({
  toWire: (message: { [Key in Name]: readonly Item[] }, at: string) =>
    ({ [name]: each(message[name], `${at}${name}`, toWire) }) as { [Key in Name]: WireItem[] },
  fromWire: (wire: { [Key in Name]?: WireItem[] | null }, at: string) =>
    ({ type, [name]: each(wire[name], `${at}${name}`, fromWire) }) as { type: T } & { [Key in Name]: Item[] },
})
