// From what is wanted of the network to what one switch is to have: every app asked once for each part of it.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Many } from '../apps/app.ts'
import { classifier } from '../apps/classifier.ts'
import { egress } from '../apps/egress.ts'
import { flooding, sameInPart } from '../apps/flooding.ts'
import { forwarding } from '../apps/forwarding.ts'
import { learning } from '../apps/learning.ts'
import { multicast, reportMeters } from '../apps/multicast.ts'
import { neighbours } from '../apps/neighbours.ts'
import { mirrors } from '../apps/mirrors.ts'
import { portSecurity } from '../apps/port-security.ts'
import { ports } from '../apps/ports.ts'
import { qos, qosMeters } from '../apps/qos.ts'
import { rejectionMeters, securityGroups } from '../apps/security-groups.ts'
import { userTables } from '../apps/user-tables.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Binding } from '../network/bindings.ts'
import type { Groups } from '../network/security-groups.ts'
import type { NetworkView, SwitchView } from '../network/view.ts'
import { GroupParts } from './group-parts.ts'
import type { FlowsByKey, Parts, Slot } from './switch-flows.ts'
import { type KeyChange, PersistentMap } from '../persistent-map.ts'
import { MIRRORS_SLOT, networkSlot, SwitchFlows } from './switch-flows.ts'
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

interface Compiled {
  readonly at: SwitchView
  /** Parts of its groups, as they are now. */
  readonly groups: { readonly made: Parts }
  state: State
}

interface SaidAndMade {
  /** By each app. */
  readonly said: readonly (readonly Many[])[]
  readonly made: Slot['shared']
}

/** In so many ways networks are on switches that share anything: by their tunnel, by their uplink, with open vNICs. */
const KINDS = 4

/** What was made of the entries of a map last. */
interface Made {
  readonly inputs: readonly unknown[]
  readonly entries: Many['entries']
  readonly flows: PersistentMap<string, FlowSpec>
}

/** What compilers have made, for others that are to make the same of the same. */
export class Compilations {
  readonly common = common()
  /** By what was compiled, and what it went on from. */
  readonly #states = new WeakMap<SwitchView, WeakMap<State, { from: SwitchView | undefined; to: State }>>()
  readonly #made = new WeakMap<Many['entries'], Map<string, Made>>()

  state(before: Compiled | undefined, at: SwitchView): State | undefined {
    const known = this.#states.get(at)?.get(before?.state ?? NOTHING)
    return known?.from === before?.at ? known?.to : undefined
  }

  keepState(before: Compiled | undefined, at: SwitchView, to: State): void {
    const known = this.#states.get(at) ?? new WeakMap()
    this.#states.set(at, known.set(before?.state ?? NOTHING, { from: before?.at, to }))
  }

  made(name: string, entries: Many['entries']): Made | undefined {
    return this.#made.get(entries)?.get(name)
  }

  keep(name: string, made: Made): void {
    const ofEntries = this.#made.get(made.entries) ?? new Map<string, Made>()
    this.#made.set(made.entries, ofEntries.set(name, made))
  }
}

/** Compiles switches, and knows what it made of them before: what a change does not concern is not asked for again, nor another object. */
export class Compiler {
  readonly #compiled = new Map<string, Compiled>()
  /** By network and name. */
  readonly #made = new Map<string, Map<string, Made>>()
  /** By network: what was said of it to some switch, and what was made of that, for the next to which the very same is said. */
  readonly #shared = new WeakMap<NetworkView, SaidAndMade[]>()
  readonly #parts = new GroupParts((part, farEnd) => this.#ofMany(GROUPS_SLOT, part.of(farEnd)))
  readonly #others: Compilations | undefined
  readonly #common: Slot

  constructor(others?: Compilations) {
    this.#others = others
    this.#common = others?.common ?? common()
  }

  /** From now on these stand behind the names in rules. @returns names of the switches that have other flows for that */
  follow(groups: Groups): Set<string> {
    return this.#parts.follow(groups)
  }

  /** What the switch is to have, but for users' flows: the same object for as long as that is the same. */
  compile(at: SwitchView): State {
    const before = this.#compiled.get(at.name)
    if (before?.at === at) return (before.state = withParts(before.state, before.groups.made))
    const sameGroups = before !== undefined && before.at.groups === at.groups
    const groups = sameGroups ? before.groups : this.#parts.use(at.name, partsOf(at.groups).shared)
    const state = withParts(this.#known(before, at) ?? this.#anew(before, at), groups.made)
    this.#others?.keepState(before, at, state)
    this.#compiled.set(at.name, { at, groups, state })
    return state
  }

  /** The switch is no more. */
  forgetSwitch(name: string): void {
    this.#parts.forget(name)
    this.#compiled.delete(name)
  }

  #anew(before: Compiled | undefined, at: SwitchView): State {
    return before && sameFrame(before.at, at) ? this.#amended(before, at) : this.#from(before?.state ?? NOTHING, at)
  }

  forgetNetwork(name: string): void {
    this.#made.delete(name)
  }

  /** What another compiler has made of the same; this one goes on from there. */
  #known(before: Compiled | undefined, at: SwitchView): State | undefined {
    const state = this.#others?.state(before, at)
    if (state === undefined) return undefined
    for (const [name, , network] of at.networks.changesSince(before?.at.networks ?? PersistentMap.empty()))
      if (network !== undefined) this.#sharedOf(at, name, network)
    return state
  }

  #from(before: State, at: SwitchView): State {
    const slots = new Map<string, Slot | undefined>([...before.flows.slots.keys()].map((name) => [name, undefined]))
    slots.set(COMMON_SLOT, this.#common)
    for (const binding of at.bindings) slots.set(vnicSlot(binding), ofVnic(at, binding))
    for (const [name, network] of at.networks) slots.set(networkSlot(name), this.#ofNetwork(at, network))
    slots.set(GROUPS_SLOT, ofGroups(at))
    slots.set(MIRRORS_SLOT, ofMirrors(at))
    return withChanges(before, slots, at)
  }

  #amended({ at: before, state }: Compiled, at: SwitchView): State {
    const slots = new Map<string, Slot | undefined>()
    const networks = at.networks.changesSince(before.networks)
    const sameBindings = before.bindings === at.bindings
    const [gone, come] = sameBindings ? [[], []] : differing(before.bindings, at.bindings)
    for (const binding of gone) slots.set(vnicSlot(binding), undefined)
    for (const binding of networks.some(hasOtherNumber) ? at.bindings : come)
      slots.set(vnicSlot(binding), ofVnic(at, binding))
    if (at.groups !== before.groups) slots.set(GROUPS_SLOT, ofGroups(at))
    if (at.mirrors !== before.mirrors) slots.set(MIRRORS_SLOT, ofMirrors(at))
    const retagged = networksRetagged(before, at)
    const touched = new Set([...networksTouched(before.hosted, at.hosted), ...retagged])
    for (const name of new Set([...networks.map(([changed]) => changed), ...touched])) {
      const [was, is] = [before.networks.get(name), at.networks.get(name)]
      const slot = networkSlot(name)
      const ownStays = was !== undefined && is !== undefined && !touched.has(name) && sameOwn(at, was, is)
      slots.set(slot, is && this.#ofNetwork(at, is, ownStays ? state.flows.slots.get(slot)?.own : undefined))
    }
    const samePorts = samePortsAt(before, at) && retagged.length === 0 && networks.every(haveSameMeters)
    return withChanges(state, slots, samePorts ? undefined : at)
  }

  #ofNetwork(at: SwitchView, network: NetworkView, own?: FlowsByKey): Slot {
    return {
      own: own ?? byKey(APPS.flatMap((app) => app.ofNetwork?.(at, network) ?? [])),
      shared: this.#sharedOf(at, network.network.name, network),
    }
  }

  #sharedOf(at: SwitchView, name: string, network: NetworkView): Slot['shared'] {
    const said = SHARING.map((app) => app.ofMany!(at, network))
    const known = this.#shared.get(network) ?? []
    const same = known.find((one) => one.said.every((many, index) => many === said[index]))
    if (same !== undefined) return same.made
    const made = said.flat().map((many) => this.#ofMany(name, many))
    // What is of one switch alone is never said again, and would hold on to a view of that switch.
    const isForOthers = !said.some((lists) => lists.some(({ ofOneSwitch }) => ofOneSwitch))
    if (isForOthers && known.length < KINDS) this.#shared.set(network, [...known, { said, made }])
    return made
  }

  #ofMany(network: string, { name, entries, inputs, flows: flowsOf }: Many): PersistentMap<string, FlowSpec> {
    if (entries.size === 0) return PersistentMap.empty()
    const ofNetwork = this.#made.get(network) ?? new Map<string, Made>()
    this.#made.set(network, ofNetwork)
    const isOf = (made: Made | undefined): made is Made =>
      made !== undefined && made.inputs.every((input, index) => input === inputs[index])
    const own = ofNetwork.get(name)
    const known = [own, this.#others?.made(name, entries)].find((made) => isOf(made) && made.entries === entries)
    if (known !== undefined) {
      ofNetwork.set(name, known)
      return known.flows
    }
    const before = isOf(own) ? own : undefined
    let flows = before?.flows ?? PersistentMap.empty<string, FlowSpec>()
    const gone = new Set<string>()
    const changes = entries.changesSince(before?.entries ?? PersistentMap.empty())
    for (const [, was] of changes) if (was !== undefined) for (const flow of flowsOf(was)) gone.add(newKey(flow))
    for (const [, , is] of changes) {
      if (is === undefined) continue
      for (const flow of flowsOf(is)) {
        const key = newKey(flow)
        gone.delete(key)
        const old = flows.get(key)
        if (old === undefined || !sameFlow(old, flow)) flows = flows.set(key, flow)
      }
    }
    for (const key of gone) flows = flows.delete(key)
    const made = { inputs, entries, flows }
    ofNetwork.set(name, made)
    this.#others?.keep(name, made)
    return flows
  }
}

const SHARING = APPS.filter((app) => app.ofMany !== undefined)

/** Of the switch's security groups: flows of its own, and parts that it shares with others. */
const partsOf = once((groups: SwitchView['groups']) => {
  const made = APPS.flatMap((app) => app.ofGroups?.(groups) ?? [])
  return { own: made.flatMap(({ own }) => own), shared: made.flatMap(({ shared }) => shared) }
})

const ofGroups = (at: SwitchView): Slot => ({ own: byKey(partsOf(at.groups).own), shared: [] })

function withParts(state: State, parts: Parts): State {
  const flows = state.flows.withParts(parts)
  return flows === state.flows ? state : { ...state, flows }
}

/** What the switch is to have, but for users' flows; `groups` are those of its view. */
export function compile(at: SwitchView, groups: Groups): SwitchState {
  const compiler = new Compiler()
  compiler.follow(groups)
  return compiler.compile(at)
}

export const byKey = (flows: readonly FlowSpec[]): Map<string, FlowSpec> =>
  new Map(flows.map((flow) => [newKey(flow), flow]))

const common = (): Slot => ({
  own: new Map(),
  shared: [PersistentMap.from(byKey(APPS.flatMap(({ always = [] }) => always)))],
})

const ofVnic = (at: SwitchView, binding: Binding): Slot => ({
  own: byKey(APPS.flatMap((app) => app.ofVnic?.(at, binding) ?? [])),
  shared: [],
})

const ofMirrors = (at: SwitchView): Slot => ({
  own: byKey(APPS.flatMap((app) => app.ofMirrors?.(at.mirrors) ?? [])),
  shared: [],
})

const meters = (at: SwitchView): SwitchState['meters'] =>
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

type NetworkChange = KeyChange<string, NetworkView>

/** Of networks that snoop, each has a meter at the uplink. */
const haveSameMeters = ([, a, b]: NetworkChange): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.network.qos === b.network.qos &&
  a.network.igmpSnooping === b.network.igmpSnooping &&
  (b.network.igmpSnooping === undefined || (a.onUplink === b.onUplink && a.number === b.number))

/** It is still there. */
const hasOtherNumber = ([, was, is]: NetworkChange): boolean =>
  was !== undefined && is !== undefined && was.number !== is.number

/** Whether what a network's flows on the switch alone are made of is the same, but for vNICs of the host. */
function sameOwn({ host, hosted }: SwitchView, a: NetworkView, b: NetworkView): boolean {
  const same = a.network === b.network && a.number === b.number && a.onUplink === b.onUplink && a.routers === b.routers
  if (!same || !sameInPart(host, a, b)) return false
  if (a.learnedBehind === b.learnedBehind) return true
  return hosted.every(({ nic }) => a.learnedBehind.get(nic.id) === b.learnedBehind.get(nic.id))
}

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
function withChanges(before: State, changes: ReadonlyMap<string, Slot | undefined>, at: SwitchView | undefined): State {
  let { slots } = before.flows
  for (const [name, slot] of changes) {
    const was = slots.get(name)
    if (slot === undefined) slots = slots.delete(name)
    else slots = slots.set(name, was === undefined ? slot : retainedSlot(was, slot))
  }
  const now = {
    ports: at === undefined ? before.ports : kept(before.ports, ports(at), samePort),
    meters: at === undefined ? before.meters : kept(before.meters, meters(at), sameBands),
    flows: slots === before.flows.slots ? before.flows : new SwitchFlows(slots, before.flows.parts),
  }
  return now.flows === before.flows && now.ports === before.ports && now.meters === before.meters ? before : now
}

function retainedSlot(was: Slot, now: Slot): Slot {
  if (was === now) return was
  const own = kept(was.own, now.own, sameFlow)
  const { shared } = now
  const same = own === was.own && shared.length === was.shared.length
  return same && shared.every((flows, index) => flows === was.shared[index]) ? was : { own, shared }
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
