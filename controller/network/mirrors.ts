// Of the topology's mirrors, what concerns each switch: the vNICs there of which copies are made, the ways of these, and the ports
// that hear them. A vNIC that moves is copied at both of its places. Copies of one frame for one target are one, however many mirrors
// ask for it.

import type { Mirror, Topology } from '../../topologies/topology.ts'
import type { Attachment } from './attachments.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding, Place } from './bindings.ts'
import { exitNumber, placeSeenFrom, placesOf } from './bindings.ts'
import { once } from '../../runtime/once.ts'

/** Numbers of targets, in order. */
type Copies = readonly number[]

/** One way in which a vNIC is on a network, or all of what its port says. */
export interface TapFromVm {
  readonly port: number
  /** As `Attachment.accepts`; absent: whatever its guest says. */
  readonly accepts?: Attachment['accepts']
  readonly copies: Copies
}

export interface TapToVm {
  readonly port: number
  /** As `Register.To` has it. */
  readonly exit: number
  readonly network: number
  /** The tag that frames to the guest wear; 0 for none. */
  readonly wears: number
  readonly copies: Copies
}

/** Where a target is, from here. */
export type MirrorWay =
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'tunnel'; readonly segment: number; readonly vtep: number }
  | { readonly kind: 'uplink'; readonly vlan: number }
  /** The port of a file. */
  | { readonly kind: 'file'; readonly port: number }

export interface SwitchMirrors {
  readonly fromVm: readonly TapFromVm[]
  readonly toVm: readonly TapToVm[]
  readonly ways: ReadonlyMap<number, MirrorWay>
  /** Of copies that come through the tunnel: by segment, the port they are for. */
  readonly ends: ReadonlyMap<number, number>
  /** Files that are written here: by name, the number of the port that does. */
  readonly files: ReadonlyMap<string, number>
}

/** Levels of it. */
export const MIRRORS_DEPTH = 4

export const NO_MIRRORS: SwitchMirrors = { fromVm: [], toVm: [], ways: new Map(), ends: new Map(), files: new Map() }

/** Above all segments. */
const VLANS = 0x1000000
/** Above all VLANs: with the number of a file's port. */
const FILES = 0x2000000

export const isFile = (copy: number): boolean => copy >= FILES

/** What stands for targets in `Register.Mirror` on a switch whose ports have these numbers. */
type NumberOf = (mirror: Mirror) => number

function numberedBy(ports: ReadonlyMap<string, number>): NumberOf {
  return ({ target }) => {
    if (target.kind === 'file') return FILES + ports.get(target.file)!
    return target.kind === 'vlan' ? VLANS + target.vlan : target.segment
  }
}

/** Names of the files that mirrors write. */
export const mirrorFiles = ({ mirrors = [] }: Topology): readonly string[] => filesOf(mirrors)

const filesOf = once((mirrors: readonly Mirror[]): readonly string[] =>
  [...new Set(mirrors.flatMap(({ target }) => (target.kind === 'file' ? target.file : [])))].sort(),
)

interface World {
  readonly bindings: { get(nic: string): Binding | undefined }
  /** By host. */
  readonly hosted: { get(host: string): readonly Binding[] | undefined }
  readonly networkNumbers: ReadonlyMap<string, number>
  /** By switch, by port name: files have theirs. */
  readonly portNumbers: { get(name: string): ReadonlyMap<string, number> | undefined }
}

/** By switch, for those that mirrors concern: on all hosts, or on these. */
export function viewMirrors(
  { mirrors = [], hosts }: Topology,
  world: World,
  among: ReadonlySet<string> = new Set(hosts.map(({ name }) => name)),
): Map<string, SwitchMirrors> {
  const views = new Map<string, Mutable>()
  if (mirrors.length === 0) return views
  const bare = new Set(hosts.filter(({ vtep }) => vtep === undefined).map(({ name }) => name))
  const at = (place: Place): Mutable => {
    const view = views.get(place.switch) ?? { fromVm: [], toVm: [], ways: new Map(), ends: new Map(), files: new Map() }
    views.set(place.switch, view)
    return view
  }
  const look = (binding: Binding, host: string): void => {
    const asked = mirrors.filter((mirror) => concerns(mirror, binding))
    if (asked.length === 0) return
    for (const place of placesOf(binding)) {
      if (place.host !== host) continue
      const view = at(place)
      const numberOf = numberedBy(world.portNumbers.get(place.switch)!)
      view.fromVm.push(...tapsFromVm(asked, binding, place, numberOf))
      view.toVm.push(...tapsToVm(asked, binding, place, world.networkNumbers, numberOf))
      for (const mirror of asked) {
        const way = wayTo(mirror, place, world, bare)
        if (way === undefined) continue
        view.ways.set(numberOf(mirror), way)
        if (way.kind === 'file' && mirror.target.kind === 'file') view.files.set(mirror.target.file, way.port)
      }
    }
  }
  for (const host of among) for (const binding of world.hosted.get(host) ?? []) look(binding, host)
  for (const { target } of mirrors)
    if (target.kind === 'port')
      for (const place of placesOfNic(world, target.port))
        if (among.has(place.host)) at(place).ends.set(target.segment, place.port)
  return views
}

interface Mutable extends SwitchMirrors {
  readonly fromVm: TapFromVm[]
  readonly toVm: TapToVm[]
  readonly ways: Map<number, MirrorWay>
  readonly ends: Map<number, number>
  readonly files: Map<string, number>
}

const concerns = ({ source }: Mirror, { nic }: Binding): boolean =>
  source.kind === 'port' ? source.port === nic.id : attachmentsOf(nic).some(({ network }) => network === source.network)

/** Numbers of the targets of those mirrors that ask for this. */
function copiesOf(mirrors: readonly Mirror[], numberOf: NumberOf, not: Mirror['direction'], network?: string): Copies {
  const asked = mirrors.filter(
    ({ direction, source }) => direction !== not && (source.kind === 'port' || source.network === network),
  )
  return [...new Set(asked.map(numberOf))].sort((a, b) => a - b)
}

function tapsFromVm(mirrors: readonly Mirror[], { nic }: Binding, { port }: Place, numberOf: NumberOf): TapFromVm[] {
  const whole = copiesOf(mirrors, numberOf, 'to-lport')
  const parts = attachmentsOf(nic).map(({ network, accepts }) => ({
    port,
    accepts,
    copies: copiesOf(mirrors, numberOf, 'to-lport', network),
  }))
  return [
    ...(whole.length > 0 ? [{ port, copies: whole }] : []),
    ...parts.filter(({ copies }) => copies.length > whole.length),
  ]
}

function tapsToVm(
  mirrors: readonly Mirror[],
  { nic }: Binding,
  place: Place,
  numbers: ReadonlyMap<string, number>,
  numberOf: NumberOf,
): TapToVm[] {
  const taps = attachmentsOf(nic).map((attachment) => ({
    port: place.port,
    exit: exitNumber(place, attachment),
    network: numbers.get(attachment.network)!,
    wears: attachment.wears,
    copies: copiesOf(mirrors, numberOf, 'from-lport', attachment.network),
  }))
  return taps.filter(({ copies }) => copies.length > 0)
}

/** Undefined where copies can not go there: their host, or the target's, has no tunnel endpoint. */
function wayTo({ target }: Mirror, from: Place, world: World, bare: ReadonlySet<string>): MirrorWay | undefined {
  if (target.kind === 'vlan') return { kind: 'uplink', vlan: target.vlan }
  if (target.kind === 'file') return { kind: 'file', port: world.portNumbers.get(from.switch)!.get(target.file)! }
  const binding = world.bindings.get(target.port)
  if (binding === undefined) return undefined
  const place = placeSeenFrom(binding, from.host)
  if (place.switch === from.switch) return { kind: 'port', port: place.port }
  if (place.vtep === undefined || bare.has(from.host)) return undefined
  return { kind: 'tunnel', segment: target.segment, vtep: place.vtep }
}

function placesOfNic({ bindings }: World, nic: string): Place[] {
  const binding = bindings.get(nic)
  return binding === undefined ? [] : placesOf(binding)
}
