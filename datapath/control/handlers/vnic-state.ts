// What a vNIC has gathered at this switch: told, and gone on from where another switch has told it.

import type { MessageOf, MeterLevel, TrackedConnection, VnicState } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { Port } from '../../ports.ts'
import type { Switch } from '../../switch.ts'
import { portNamed } from './named-port.ts'
import { inParts } from './parts.ts'

/** On the wire, about. */
const CONNECTION_SIZE = 160

/** Tells; the vNIC keeps all of it. @throws Refused */
export function vnicState(
  device: Switch,
  { port: name, zone, meters }: MessageOf<'vnicStateRequest'>,
): Iterable<MessageOf<'vnicStateReply'>> {
  const port = portNamed(device, name)
  const now = device.clock.now()
  const connections = zone === undefined ? [] : device.connections.export(zone)
  const all: VnicState = {
    port: name,
    counters: port.carried.export(port.counters),
    meters: meters.flatMap((meter) => device.meters.get(meter)?.handOver(now) ?? []),
    shaping: device.ports.shaping.levels(port.number),
    addresses: device.macTable
      .entries(now)
      .filter((entry) => entry.port === port.number)
      .map(({ vlan, mac }) => ({ vlan, mac: BigInt(mac) })),
    connections,
  }
  return replies(all)
}

function* replies({ port, connections, ...all }: VnicState): Generator<MessageOf<'vnicStateReply'>> {
  let first: Partial<VnicState> = all
  for (const { items, more } of inParts(connections, () => CONNECTION_SIZE)) {
    yield { type: 'vnicStateReply', port, meters: [], addresses: [], ...first, connections: items, more }
    first = {}
  }
}

/** @throws Refused, with nothing changed */
export function installVnicState(device: Switch, message: MessageOf<'installVnicState'>): void {
  const { counters, meters, shaping, addresses, connections, zone } = message
  const port = portNamed(device, message.port)
  const now = device.clock.now()
  meters.forEach(({ meter }, index) => checkMeter(device, meter, `meters[${index}].meter`))
  if (connections.length > 0) installConnections(device, zone, connections)
  if (counters !== undefined) port.carried.import(counters)
  for (const level of meters) device.meters.get(level.meter)!.takeOver(level, now)
  if (shaping !== undefined) device.ports.shaping.restoreLevels(port.number, shaping)
  installAddresses(device, port, addresses)
}

function installConnections(device: Switch, zone: number | undefined, connections: TrackedConnection[]): void {
  if (zone === undefined) throw new Refused('bad_request', 'zone', 'is missing; connections are of a zone')
  if (!device.connections.import(zone, connections))
    throw new Refused('bad_request', 'connections', `${device.name} has no room for ${connections.length} more`)
}

function installAddresses(device: Switch, port: Port, addresses: VnicState['addresses']): void {
  const now = device.clock.now()
  for (const { vlan, mac } of addresses) device.macTable.learn(vlan, Number(mac), port.number, now)
}

function checkMeter(device: Switch, meter: MeterLevel['meter'], field: string): void {
  if (!device.meters.has(meter)) throw new Refused('OFPMMFC_UNKNOWN_METER', field, `there is no meter ${meter}`)
}
