// Places that moves have left, and those from which they have gone back: nothing of the VM is there any more. Ports, flows and meters are
// compared with what is wanted (`in-sync`); what else a switch gathers for a vNIC is looked for here.

import type { Image } from '../../controller/state/image.ts'
import type { MigrationStatus } from '../../controller/model.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { Change } from '../../runtime/store.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import type { Nic } from '../../topologies/topology.ts'

type Numbers = Map<string, ReadonlyMap<string, number>>

/** Numbers that have stood for vNICs, as all shows that was ever kept. */
export class FormerPlaces {
  /** By switch, by vNIC: of its port. */
  readonly #ports: Numbers = new Map()
  /** By host, by vNIC: of the zone of its connections. */
  readonly #zones: Numbers = new Map()

  /** These have become durable. */
  note(changes: readonly Change[]): void {
    for (const { kind, key, value } of changes) {
      if (value === undefined) continue
      if (kind === 'ports') noteIn(this.#ports, key, String(value))
      else if (kind === 'zones') noteIn(this.#zones, key, String(value))
    }
  }

  /** What the switch has gathered for the vNIC, which is not there: a phrase for each kind of thing. */
  remainsOf({ id }: Nic, device: Switch, zonesInUse: ReadonlySet<number>): string[] {
    const [host] = device.name.split('/') as [string]
    const port = this.#ports.get(device.name)?.get(id)
    const zone = this.#zones.get(host)?.get(id)
    const ofPort = port !== undefined && device.ports.byNumber(port) === undefined
    const counts: [number, string][] = [
      [device.ports.byName(id) === undefined ? 0 : 1, 'ports'],
      [
        zone === undefined || zonesInUse.has(zone) ? 0 : (device.connections.zoneCounts().get(zone) ?? 0),
        'connections',
      ],
      [ofPort ? device.macTable.entries(device.clock.now()).filter((one) => one.port === port).length : 0, 'addresses'],
    ]
    return counts.flatMap(([count, what]) => (count > 0 ? `${count} ${what} of ${id} at ${device.name}` : []))
  }
}

function noteIn(numbers: Numbers, place: string, text: string): void {
  const now = Object.entries(JSON.parse(text) as Record<string, number>)
  // What is there under a number that is given again is of whoever had it last.
  const given = new Set(now.map(([, number]) => number))
  const before = [...(numbers.get(place) ?? [])].filter(([, number]) => !given.has(number))
  numbers.set(place, new Map([...before, ...now]))
}

/**
 * The host that a move has left, or come back from. Undefined where a later move of the VM (`later`, in order) had to do with it, or
 * something else has put the VM elsewhere since: that clears nothing.
 */
export function placeLeft(
  move: MigrationStatus,
  later: readonly MigrationStatus[],
  { topology }: Pick<Image, 'topology'>,
): string | undefined {
  const left = move.state === 'done' ? move.from : move.to
  let host = placeAfter(move)
  for (const next of later) {
    if (next.from !== host || host === left || next.to === left) return undefined
    host = placeAfter(next)
  }
  return host !== left && vmNamed(topology.vms, move.vm)?.host === host ? left : undefined
}

const placeAfter = ({ state, from, to }: MigrationStatus): string => (state === 'done' ? to : from)
