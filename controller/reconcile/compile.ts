// From what is wanted of the network to what one switch is to have: every app asked once for each part of it.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import { classifier } from '../apps/classifier.ts'
import { egress } from '../apps/egress.ts'
import { flooding } from '../apps/flooding.ts'
import { forwarding } from '../apps/forwarding.ts'
import { learning } from '../apps/learning.ts'
import { multicast, reportMeters } from '../apps/multicast.ts'
import { neighbours } from '../apps/neighbours.ts'
import { mirrors } from '../apps/mirrors.ts'
import { portSecurity } from '../apps/port-security.ts'
import { ports as portsOf } from '../apps/ports.ts'
import { qos, qosMeters } from '../apps/qos.ts'
import { rejectionMeters, securityGroups } from '../apps/security-groups.ts'
import type { Standing } from '../apps/standing.ts'
import { userTables } from '../apps/user-tables.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Binding } from '../network/bindings.ts'
import { keepUnchanged } from '../network/sharing.ts'
import type { NetworkHere, NetworkView, SwitchView, View } from '../network/view.ts'
import { FlowLists } from './flow-lists.ts'
import { GroupParts, type Together } from './group-parts.ts'
import { type Member, SharedNetworks } from './shared-networks.ts'
import type { FlowsByKey, Slot } from './switch-flows.ts'
import { type KeyChange, PersistentMap } from '../persistent-map.ts'
import { MIRRORS_SLOT, networkSlot, NO_SHARES, SwitchFlows } from './switch-flows.ts'
import { once } from '../../runtime/once.ts'
import type { SwitchState } from './switch-state.ts'
import { EMPTY_STATE, newKey, sameBands, sameFlow, samePort } from './switch-state.ts'

const APPS = [
  userTables,
  classifier,
  portSecurity,
  neighbours,
  learning,
  forwarding,
  flooding,
  multicast,
  egress,
  qos,
  securityGroups,
  mirrors,
]

/** Where users' flows go, and what is the same everywhere. */
export const COMMON_SLOT = ''
const vnicSlot = ({ nic }: Binding) => `vnic ${nic.id}`
const GROUPS_SLOT = 'security groups'

export const NOTHING = { ...EMPTY_STATE, flows: new SwitchFlows(PersistentMap.empty()) }

type State = SwitchState & { readonly flows: SwitchFlows }

/** What follows from a switch's view alone. */
interface Own {
  readonly ports: SwitchState['ports']
  readonly meters: SwitchState['meters']
  /** By slot. */
  readonly flows: SwitchFlows['own']
}

const NOTHING_OWN: Own = { ports: EMPTY_STATE.ports, meters: EMPTY_STATE.meters, flows: PersistentMap.empty() }
const NO_FLOWS: FlowsByKey = new Map()

/** A switch: its view, what it has of its own and with whom it shares the rest, and what comes of that. */
interface Compiled extends Member {
  at: SwitchView
  own: Own
  together: Together<Compiled> | undefined
  state: State
}

/** Of a view. */
type Followed = Pick<View, 'switches' | 'networks' | 'groups'>

/** What compilers have made, for others that are to make the same of the same. */
export class Compilations {
  readonly common = common()
  readonly lists = new FlowLists()
  /** By what was compiled, and what it went on from. */
  readonly #own = new WeakMap<SwitchView, WeakMap<Own, { from: SwitchView | undefined; to: Own }>>()

  own(before: Own, from: SwitchView | undefined, at: SwitchView): Own | undefined {
    const known = this.#own.get(at)?.get(before)
    return known?.from === from ? known?.to : undefined
  }

  keepOwn(before: Own, from: SwitchView | undefined, at: SwitchView, to: Own): void {
    const known = this.#own.get(at) ?? new WeakMap()
    this.#own.set(at, known.set(before, { from, to }))
  }
}

/** Compiles switches, and knows what it made of them before: what a change does not concern is not asked for again, nor another object. */
export class Compiler {
  readonly #compiled = new Map<string, Compiled>()
  readonly #networks: SharedNetworks
  readonly #groups: GroupParts<Compiled>
  readonly #others: Compilations | undefined
  #switches: View['switches'] = PersistentMap.empty()

  constructor(others?: Compilations) {
    const lists = others?.lists ?? new FlowLists()
    this.#others = others
    this.#networks = new SharedNetworks(COMMON_SLOT, others?.common ?? common(), sayOf, lists)
    this.#groups = new GroupParts(lists)
  }

  /**
   * From now on switches are to have what follows from this, but for users' flows. Where an app fails at it, only another compiler knows
   * what is so: this one has noted half of it.
   * @returns by name, what those are to have that are to have something else, or are gone
   */
  follow({ switches, networks, groups }: Followed): Map<string, State> {
    const touched = new Set<Member>()
    const changes = switches.changesSince(this.#switches)
    const moving = new Set(changes.flatMap(([name]) => this.#compiled.get(name) ?? []))
    this.#networks.follow(networks, moving, touched)
    this.#groups.follow(groups, touched as Set<Compiled>)
    const changed = new Map<string, State>()
    for (const [name, , at] of changes)
      if (at !== undefined) touched.add(this.#compile(at))
      else if (this.#forget(name, touched)) changed.set(name, NOTHING)
    this.#switches = switches
    for (const one of touched as Set<Compiled>) {
      const state = stateOf(one)
      if (state === one.state) continue
      one.state = state
      changed.set(one.at.name, state)
    }
    return changed
  }

  /** What the switch is to have, but for users' flows: the same object for as long as that is the same. Nothing where there is no such switch. */
  stateOf(name: string): State {
    return this.#compiled.get(name)?.state ?? NOTHING
  }

  #forget(name: string, touched: Set<Member>): boolean {
    const before = this.#compiled.get(name)
    if (before === undefined) return false
    this.#networks.forget(before)
    this.#groups.forget(before, before.together)
    touched.delete(before)
    return this.#compiled.delete(name)
  }

  #compile(at: SwitchView): Compiled {
    const before = this.#compiled.get(at.name)
    const own = this.#ownOf(before, at)
    const one = before ?? { at, own, circles: [], shares: NO_SHARES, together: undefined, state: NOTHING }
    const was = before?.at
    Object.assign(one, { at, own })
    this.#networks.place(one, was)
    if (was?.groups !== at.groups) one.together = this.#groups.use(one, one.together, partsOf(at.groups).shared)
    this.#compiled.set(at.name, one)
    return one
  }

  #ownOf(compiled: Compiled | undefined, at: SwitchView): Own {
    const { own: before, at: from } = compiled ?? { own: NOTHING_OWN, at: undefined }
    const known = this.#others?.own(before, from, at)
    if (known !== undefined) return known
    const own = from && sameFrame(from, at) ? amended(before, from, at) : anew(before, at)
    this.#others?.keepOwn(before, from, at, own)
    return own
  }
}

const SHARING = APPS.filter((app) => app.ofMany !== undefined)
const sayOf = (standing: Standing, network: NetworkView) => SHARING.flatMap((app) => app.ofMany!(standing, network))

function stateOf(one: Compiled): State {
  const { own, state, shares, together } = one
  const { ports, meters, flows } = own
  const same = state.flows.isOf(flows, shares, together!.made)
  if (same && ports === state.ports && meters === state.meters) return state
  return { ports, meters, flows: same ? state.flows : new SwitchFlows(flows, shares, together!.made) }
}

function anew(before: Own, at: SwitchView): Own {
  const slots = new Map<string, FlowsByKey | undefined>([...before.flows.keys()].map((name) => [name, undefined]))
  for (const binding of at.bindings) slots.set(vnicSlot(binding), ofVnic(at, binding))
  for (const [name, network] of at.networks) slots.set(networkSlot(name), ofNetwork(at, network))
  slots.set(COMMON_SLOT, NO_FLOWS)
  slots.set(GROUPS_SLOT, ofGroups(at))
  slots.set(MIRRORS_SLOT, ofMirrors(at))
  return withChanges(before, slots, at)
}

function amended(own: Own, before: SwitchView, at: SwitchView): Own {
  const slots = new Map<string, FlowsByKey | undefined>()
  const networks = at.networks.changesSince(before.networks)
  const [gone, come] = before.bindings === at.bindings ? [[], []] : differing(before.bindings, at.bindings)
  for (const binding of gone) slots.set(vnicSlot(binding), undefined)
  for (const binding of networks.some(hasOtherNumber) ? at.bindings : come)
    slots.set(vnicSlot(binding), ofVnic(at, binding))
  if (at.groups !== before.groups) slots.set(GROUPS_SLOT, ofGroups(at))
  if (at.mirrors !== before.mirrors) slots.set(MIRRORS_SLOT, ofMirrors(at))
  const retagged = networksRetagged(before, at)
  const remade = networks.filter((change) => !isOtherPart(change))
  for (const [name, , is] of networks.filter(isOtherPart))
    slots.set(networkSlot(name), new Map([...own.flows.get(networkSlot(name))!, ...ofPart(at, is!)]))
  const touched = [...remade.map(([name]) => name), ...networksTouched(before.hosted, at.hosted), ...retagged]
  for (const name of new Set(touched)) {
    const network = at.networks.get(name)
    slots.set(networkSlot(name), network && ofNetwork(at, network))
  }
  const samePorts = samePortsAt(before, at) && retagged.length === 0 && networks.every(haveSameMeters)
  return withChanges(own, slots, samePorts ? undefined : at)
}

/** Of the switch's security groups: flows of its own, and parts that it shares with others. */
const partsOf = once((groups: SwitchView['groups']) => {
  const made = APPS.flatMap((app) => app.ofGroups?.(groups) ?? [])
  return { own: made.flatMap(({ own }) => own), shared: made.flatMap(({ shared }) => shared) }
})

const ofGroups = (at: SwitchView) => byKey(partsOf(at.groups).own)

/** What the switch is to have, but for users' flows. */
export function compile(at: SwitchView, { networks, groups }: Pick<View, 'networks' | 'groups'>): SwitchState {
  const compiler = new Compiler()
  compiler.follow({ switches: PersistentMap.from([[at.name, at]]), networks, groups })
  return compiler.stateOf(at.name)
}

export const byKey = (flows: readonly FlowSpec[]): Map<string, FlowSpec> =>
  new Map(flows.map((flow) => [newKey(flow), flow]))

const common = (): Slot['shared'] => [PersistentMap.from(byKey(APPS.flatMap(({ always = [] }) => always)))]

const ofVnic = (at: SwitchView, binding: Binding) => byKey(APPS.flatMap((app) => app.ofVnic?.(at, binding) ?? []))

const ofNetwork = (at: SwitchView, network: NetworkHere) =>
  new Map([...byKey(APPS.flatMap((app) => app.ofNetwork?.(at, network) ?? [])), ...ofPart(at, network)])

const ofPart = (at: SwitchView, network: NetworkHere) => byKey(APPS.flatMap((app) => app.ofPart?.(at, network) ?? []))

const ofMirrors = (at: SwitchView) => byKey(APPS.flatMap((app) => app.ofMirrors?.(at.mirrors) ?? []))

const metersOf = (at: SwitchView): SwitchState['meters'] =>
  new Map(
    [...rejectionMeters(at.groups), ...qosMeters(at), ...reportMeters(at)].map(([number, band]) => [number, [band]]),
  )

/** Otherwise nothing can be kept. */
const sameFrame = (a: SwitchView, b: SwitchView): boolean =>
  a.host === b.host && a.bridge === b.bridge && a.patches === b.patches && a.towards === b.towards

/** Whether what ports and meters are made of is the same, but for networks. */
const samePortsAt = (a: SwitchView, b: SwitchView): boolean =>
  a.bindings === b.bindings &&
  a.uplinkRate === b.uplinkRate &&
  a.showsDscp === b.showsDscp &&
  a.mirrors.files === b.mirrors.files

type NetworkChange = KeyChange<string, NetworkHere>

/** The uplink's queues bear the network's number; of networks that snoop, each has a meter there. */
const haveSameMeters = ([, a, b]: NetworkChange): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.number === b.number &&
  a.network.qos === b.network.qos &&
  a.network.igmpSnooping === b.network.igmpSnooping &&
  (b.network.igmpSnooping === undefined || a.onUplink === b.onUplink)

/** Nothing else of it is another. */
const isOtherPart = ([, was, is]: NetworkChange): boolean =>
  was !== undefined && is !== undefined && keepUnchanged(was, { ...is, part: was.part }) === was

/** It is still there. */
const hasOtherNumber = ([, was, is]: NetworkChange): boolean =>
  was !== undefined && is !== undefined && was.number !== is.number

function differing(before: readonly Binding[], after: readonly Binding[]): [gone: Binding[], come: Binding[]] {
  return [before.filter((one) => !after.includes(one)), after.filter((one) => !before.includes(one))]
}

/** Networks of the vNICs that are not in both. */
function networksTouched(before: readonly Binding[], after: readonly Binding[]): Set<string> {
  if (before === after) return new Set()
  const changed = differing(before, after).flat()
  return new Set(changed.flatMap(({ nic }) => attachmentsOf(nic).map(({ network }) => network)))
}

/** Of networks that are in both, those that wear another tag between bridges. */
function networksRetagged({ localTags: was }: SwitchView, { localTags: is }: SwitchView): string[] {
  if (was === is) return []
  return [...is].flatMap(([name, tag]) => (was.has(name) && was.get(name) !== tag ? [name] : []))
}

/** With these slots, and with ports and meters as `at` is to have them, where it is given. What says the same as before is the same object. */
function withChanges(before: Own, slots: ReadonlyMap<string, FlowsByKey | undefined>, at: SwitchView | undefined): Own {
  let { flows } = before
  for (const [name, now] of slots) {
    const was = flows.get(name)
    if (now === undefined) flows = flows.delete(name)
    else flows = flows.set(name, was === undefined ? now : kept(was, now, sameFlow))
  }
  const ports = at === undefined ? before.ports : kept(before.ports, portsOf(at), samePort)
  const meters = at === undefined ? before.meters : kept(before.meters, metersOf(at), sameBands)
  const same = flows === before.flows && ports === before.ports && meters === before.meters
  return same ? before : { ports, meters, flows }
}

/** `before` where both say the same; else `now`, with what says the same in it from before. */
function kept<K, V>(
  before: ReadonlyMap<K, V>,
  now: ReadonlyMap<K, V>,
  same: (a: V, b: V) => boolean,
): ReadonlyMap<K, V> {
  if (before === now) return before
  let equal = before.size === now.size
  const entries = [...now].map(([key, value]): [K, V] => {
    const was = before.get(key)
    if (was !== undefined && same(was, value)) return [key, was]
    equal = false
    return [key, value]
  })
  return equal ? before : new Map(entries)
}
