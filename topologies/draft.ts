// Written form of which only what the schema admits is left: any part of it may be missing. Cross-checks run on this, so
// that a file with mistakes of both kinds gets to hear of all of them.

import { INTEGRATION_BRIDGE } from './defaults.ts'
import { pointer } from './problems.ts'
import type {
  WrittenHost,
  WrittenNetwork,
  WrittenNic,
  WrittenSubport,
  WrittenTopology,
  WrittenVm,
} from './schema/topology.ts'
import { once } from '../runtime/once.ts'

export type Draft<T> = T extends string | number | boolean
  ? T
  : T extends readonly (infer Item)[]
    ? (Item extends object ? Draft<Item> : Item | undefined)[]
    : { [Key in keyof T]?: Draft<T[Key]> | undefined }

export type TopologyDraft = Draft<WrittenTopology>

export interface PlacedNic {
  vm: Draft<WrittenVm>
  nic: Draft<WrittenNic>
  /** `web1:eth0`; undefined where a name is missing. */
  id: string | undefined
  at: string
}

/** All vNICs. Each check asks for them, and none alters what it checks. */
export const nicsOf = once((topology: TopologyDraft): readonly PlacedNic[] => [...placedNics(topology)])

function* placedNics(topology: TopologyDraft): Generator<PlacedNic> {
  for (const [vmIndex, vm] of (topology.vms ?? []).entries())
    for (const [index, nic] of (vm.nics ?? []).entries()) {
      const named = vm.name !== undefined && nic.name !== undefined
      yield { vm, nic, id: named ? `${vm.name}:${nic.name}` : undefined, at: pointer('vms', vmIndex, 'nics', index) }
    }
}

/** A MAC and addresses in a network: a vNIC's untagged side, or one of its sub-ports. */
export interface Attachment {
  placed: PlacedNic
  part: Draft<WrittenNic> | Draft<WrittenSubport>
  network: string | undefined
  at: string
}

export function* attachmentsOf(topology: TopologyDraft): Generator<Attachment> {
  for (const owner of nicsOf(topology)) {
    const { nic, at } = owner
    yield { placed: owner, part: nic, network: nic.network, at }
    for (const [index, part] of (nic.trunks ?? []).entries())
      yield { placed: owner, part, network: part.network, at: `${at}${pointer('trunks', index)}` }
  }
}

/** Where the file names none: the integration bridge alone. */
export const bridgesOf = (host: Draft<WrittenHost>): Draft<NonNullable<WrittenHost['bridges']>> =>
  host.bridges ?? [{ name: INTEGRATION_BRIDGE }]

/** Where the file names none: what its sub-ports and its network come to. */
export function vlanModeOf(nic: Draft<WrittenNic>): NonNullable<WrittenNic['vlanMode']> {
  if (nic.vlanMode !== undefined) return nic.vlanMode
  if (nic.trunks === undefined || nic.trunks.length === 0) return 'access'
  return nic.network === undefined ? 'trunk' : 'native-untagged'
}

/** The tag of the native network on a native-tagged vNIC: that of the network itself, where it has one. */
export const nativeTagOf = (
  nic: Draft<WrittenNic>,
  network: Pick<Draft<WrittenNetwork>, 'type' | 'segment'> | undefined,
): number | undefined => nic.tag ?? (network?.type === 'vlan' ? network.segment : undefined)
