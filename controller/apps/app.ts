// What an app is: one concern of the plan, said in parts. Each part is a pure function of what it is given, and is asked again only when
// some of that has changed. Of two flows with one key the one holds that knows better: what a switch has of a network for itself, before what it
// shares with others.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Binding } from '../network/bindings.ts'
import type { SwitchMirrors } from '../network/mirrors.ts'
import type { FarEnd, SwitchGroups } from '../network/security-groups.ts'
import type { NetworkFrame, NetworkHere, NetworkView, SwitchView } from '../network/view.ts'
import { PersistentMap } from '../persistent-map.ts'
import type { Standing } from './standing.ts'

export interface App {
  /** The same on every switch, whatever happens. */
  readonly always?: readonly FlowSpec[]
  /** Of a vNIC, on a switch where it has a port: from it, its place there, and the number and segment of its networks. */
  ofVnic?(at: SwitchView, binding: Binding): FlowSpec[]
  /** Of a network, on a switch of a host that has it: from what the host has of it for itself, from the switch, and from the vNICs of the host that are on it. */
  ofNetwork?(at: SwitchView, network: NetworkHere): FlowSpec[]
  /** The same, of what follows from the host's part of it too: under the same keys whoever is in that. */
  ofPart?(at: SwitchView, network: NetworkHere): FlowSpec[]
  /** Of the security groups of a switch: from those alone, and what is the same on all switches that have such a rule. */
  ofGroups?(groups: SwitchGroups): { readonly own: FlowSpec[]; readonly shared: GroupPart[] }
  /** Of the mirrors of a switch: from those alone. */
  ofMirrors?(mirrors: SwitchMirrors): FlowSpec[]
  /**
   * Of a network, for each of many things alike, on all switches that stand to it alike. What comes and goes while there are others after
   * it leaves `EMPTY` in its place: one state is compared with the next place by place.
   */
  ofMany?(standing: Standing, network: NetworkView): readonly (Many | ManyAt)[]
}

/** Flows that follow from a far end, and not from the switch. No key is in two of them, or in anything else. */
export interface GroupPart {
  /** Equal for parts that say the same. */
  readonly name: string
  /** Number of the far end. */
  readonly far: number
  of(farEnd: FarEnd): Many
}

/** Flows for each entry of a map: a change of one entry is the work of one. */
export interface Many<K extends string | number = string | number, V = unknown> {
  /** Equal for switches that share these flows. */
  readonly name: string
  readonly entries: PersistentMap<K, V>
  /** May depend on the value, and on what stands in `inputs`. */
  readonly flows: (value: V) => FlowSpec[]
  readonly inputs: readonly unknown[]
}

/** Flows that a switch has of its own, since they know it. `inputs` names all that is read from `at`, but for its name. */
export interface ManyAt {
  readonly at: (at: SwitchView) => Many
}

export const NONE: readonly Many[] = []

export const many = <K extends string | number, V>(
  name: string,
  entries: PersistentMap<K, V>,
  inputs: readonly unknown[],
  flows: (value: V) => FlowSpec[],
): Many => ({
  name,
  entries: entries as PersistentMap<string | number, unknown>,
  inputs,
  flows: flows as Many['flows'],
})

export const EMPTY: Many = many('empty', PersistentMap.empty(), [], () => [])

export const manyAt = (make: (at: SwitchView) => Many): ManyAt => ({
  at: (at) => {
    const all = make(at)
    return { ...all, name: `${all.name} at ${at.name}` }
  },
})

/** The number of a network that the host has. */
export const numberAt = (at: SwitchView, network: string): number => at.networks.get(network)!.number

/** The tag that it wears between bridges of the host. */
export const tagAt = ({ localTags }: SwitchView, { network }: NetworkFrame): number => localTags.get(network.name)!
