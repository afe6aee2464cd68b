import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { NatAction } from '../messages.ts'
import type { ActionCodec } from './action-codecs.ts'
import { addressFromWire, addressToWire } from './big-endian.ts'
import { bounded, isSet, required, UINT16, Vocabulary } from './values.ts'

type WireNat = signalbox.control.Nat.$Properties

export const natDirections = new Vocabulary(['src', 'dst'])
const algorithms = new Vocabulary(['hash', 'random'])

export const natCodec: ActionCodec<'nat'> = { toWire: natToWire, fromWire: natFromWire }

function natToWire({ direction, addresses, ports, persistent, algorithm }: NatAction, path: string): WireNat {
  const wire: WireNat = { persistent: persistent ?? false }
  if (direction !== undefined) wire.direction = natDirections.number(direction, `${path}.direction`)
  if (addresses !== undefined) {
    wire.firstAddress = addressToWire(addresses.first, addresses.family, `${path}.addresses.first`)
    wire.lastAddress = addressToWire(addresses.last, addresses.family, `${path}.addresses.last`)
  }
  if (ports !== undefined) {
    wire.firstPort = bounded(ports.first, UINT16, `${path}.ports.first`)
    wire.lastPort = bounded(ports.last, UINT16, `${path}.ports.last`)
  }
  if (algorithm !== undefined) wire.algorithm = algorithms.number(algorithm, `${path}.algorithm`)
  return wire
}

function natFromWire(wire: WireNat, path: string): NatAction {
  const action: NatAction = { type: 'nat' }
  if (wire.direction) action.direction = natDirections.word(wire.direction, `${path}.direction`)
  if (wire.firstAddress || wire.lastAddress) action.addresses = addressesFromWire(wire, `${path}.addresses`)
  if (isSet(wire.firstPort) || isSet(wire.lastPort)) {
    const first = bounded(wire.firstPort, UINT16, `${path}.ports.first`)
    action.ports = { first, last: bounded(wire.lastPort ?? first, UINT16, `${path}.ports.last`) }
  }
  if (wire.persistent) action.persistent = true
  if (wire.algorithm) action.algorithm = algorithms.word(wire.algorithm, `${path}.algorithm`)
  return action
}

function addressesFromWire(wire: WireNat, path: string): NonNullable<NatAction['addresses']> {
  const first = required(wire.firstAddress, `${path}.first`, 'an address')
  const last = wire.lastAddress ?? first
  if (first.length !== 4 && first.length !== 16)
    throw new InvalidField(`${path}.first`, `is ${first.length} bytes long`, '4 bytes or 16')
  const family = first.length === 4 ? 4 : 6
  return {
    family,
    first: addressFromWire(first, family, `${path}.first`),
    last: addressFromWire(last, family, `${path}.last`),
  }
}
