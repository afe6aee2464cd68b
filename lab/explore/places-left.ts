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
  numbers.set(place, new Map([...(numbers.get(place) ?? []), ...now]))
}

/** The host where the VM is not any more, or has not come to; undefined where it is there by now, or is not there at all. */
export function placeLeft({ vm, state, from, to }: MigrationStatus, { topology }: Image): string | undefined {
  const left = state === 'done' ? from : to
  const host = vmNamed(topology.vms, vm)?.host
  return host === undefined || host === left ? undefined : left
}
