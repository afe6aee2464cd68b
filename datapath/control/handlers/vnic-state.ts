// What a vNIC has gathered at this switch: told, and gone on from where another switch has told it.

import type {
  MessageOf,
  MeterLevel,
  TrackedConnection,
  VnicState,
  WaitingFragment,
} from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { FrameHandle } from '../../frames.ts'
import type { Port } from '../../port.ts'
import type { Switch } from '../../switch.ts'
import { checkLength } from './held-frames.ts'
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
    fragments:
      zone === undefined ? [] : device.connections.fragments.waitingIn(zone).map((frame) => tell(device, frame)),
  }
  return replies(all)
}

function* replies({ port, connections, fragments, ...all }: VnicState): Generator<MessageOf<'vnicStateReply'>> {
  const part: MessageOf<'vnicStateReply'> = {
    type: 'vnicStateReply',
    port,
    meters: [],
    addresses: [],
    connections: [],
    fragments: [],
    more: false,
  }
  const areMore = fragments.length > 0
  let first: Partial<VnicState> = all
  for (const { items, more } of inParts(connections, () => CONNECTION_SIZE)) {
    yield { ...part, ...first, connections: items, more: more || areMore }
    first = {}
  }
  if (!areMore) return
  for (const { items, more } of inParts(fragments, ({ bytes }) => bytes.length))
    yield { ...part, fragments: items, more }
}

const tell = ({ arena }: Switch, frame: FrameHandle): WaitingFragment => ({
  id: BigInt(arena.id[frame]!),
  bytes: arena.read(frame).slice(),
})

/** @throws Refused, with nothing changed */
export function installVnicState(device: Switch, message: MessageOf<'installVnicState'>): void {
  const { counters, meters, shaping, addresses, connections, fragments, zone } = message
  const port = portNamed(device, message.port)
  const now = device.clock.now()
  meters.forEach(({ meter }, index) => checkMeter(device, meter, `meters[${index}].meter`))
  fragments.forEach(({ bytes }, index) => checkLength(bytes, `fragments[${index}].bytes`))
  if (connections.length > 0) installConnections(device, zone, connections)
  if (counters !== undefined) port.carried.import(counters)
  for (const level of meters) device.meters.get(level.meter)!.takeOver(level, now)
  if (shaping !== undefined) device.ports.shaping.restoreLevels(port.number, shaping)
  installAddresses(device, port, addresses)
  if (zone !== undefined)
    device.takeInFragments(
      fragments.map((fragment) => frameOf(device, fragment)),
      zone,
    )
}

function frameOf({ arena }: Switch, { id, bytes }: WaitingFragment): FrameHandle {
  const frame = arena.allocateFrom(bytes)
  arena.identify(frame, Number(id))
  return frame
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
