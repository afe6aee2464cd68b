// Which tracked connections are meant.

import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { ConnectionFilter, ConnectionTuple, MessageType } from '../messages.ts'
import { addressFromWire, addressToWire } from './big-endian.ts'
import type { Codecs } from './codecs.ts'
import { bounded, given, isSet, optional, UINT16, UINT32, UINT8 } from './values.ts'

type WireTuple = signalbox.control.ConnectionTuple.$Properties
type WireFilter = signalbox.control.ConnectionFilter.$Properties

function tupleToWire(tuple: ConnectionTuple, path: string): WireTuple {
  const wire: WireTuple = {
    family: optional(tuple.family, UINT8, `${path}.family`),
    protocol: optional(tuple.protocol, UINT8, `${path}.protocol`),
    sourcePort: optional(tuple.sourcePort, UINT16, `${path}.sourcePort`),
    destinationPort: optional(tuple.destinationPort, UINT16, `${path}.destinationPort`),
  }
  const family = tuple.family ?? 6
  if (tuple.source !== undefined) wire.source = addressToWire(tuple.source, family, `${path}.source`)
  if (tuple.destination !== undefined)
    wire.destination = addressToWire(tuple.destination, family, `${path}.destination`)
  return wire
}

function tupleFromWire(wire: WireTuple, path: string): ConnectionTuple {
  const tuple: ConnectionTuple = {
    ...given('protocol', wire.protocol, UINT8, `${path}.`),
    ...given('sourcePort', wire.sourcePort, UINT16, `${path}.`),
    ...given('destinationPort', wire.destinationPort, UINT16, `${path}.`),
  }
  if (isSet(wire.family)) tuple.family = familyFromWire(wire.family, `${path}.family`)
  const family = tuple.family ?? 6
  if (wire.source) tuple.source = addressFromWire(wire.source, family, `${path}.source`)
  if (wire.destination) tuple.destination = addressFromWire(wire.destination, family, `${path}.destination`)
  return tuple
}

function familyFromWire(family: number, path: string): 4 | 6 {
  if (family === 4 || family === 6) return family
  throw new InvalidField(path, `${family} is unknown`, '4 or 6')
}

const filterToWire = ({ zone, mark, original, reply }: ConnectionFilter, at: string): WireFilter => ({
  zone: optional(zone, UINT16, `${at}zone`),
  ...(mark && {
    mark: {
      value: bounded(mark.value, UINT32, `${at}mark.value`),
      mask: bounded(mark.mask, UINT32, `${at}mark.mask`),
    },
  }),
  ...(original && { original: tupleToWire(original, `${at}original`) }),
  ...(reply && { reply: tupleToWire(reply, `${at}reply`) }),
})

const filterFromWire = (wire: WireFilter, at: string): ConnectionFilter => ({
  ...given('zone', wire.zone, UINT16, at),
  ...(wire.mark && { mark: { value: wire.mark.value ?? 0, mask: wire.mark.mask ?? 0 } }),
  ...(wire.original && { original: tupleFromWire(wire.original, `${at}original`) }),
  ...(wire.reply && { reply: tupleFromWire(wire.reply, `${at}reply`) }),
})

export const CONNECTION_MESSAGES = {
  flushConnections: {
    toWire: ({ filter }, at) => filterToWire(filter, `${at}filter.`),
    fromWire: (wire, at) => ({ type: 'flushConnections', filter: filterFromWire(wire, `${at}filter.`) }),
  },
} satisfies Partial<Codecs<MessageType>>
