// What of the controller is durable, as plain immutable data, and how it is written down: each part under a kind and a key.
//
//   topology, order, asked    the topology as somebody last asked for it (kept-topology.ts)
//   place       vm        where a VM is, if not where the topology asks it to be: host, and bridges of its vNICs
//   move        vm        how far the move of a VM has come
//   former      vm        hosts at which its ports may be open still, while its own stay closed
//   migration   id        what people are told of a migration, ended ones too, and what its end needs
//   relocation  id        several VMs that go elsewhere together, ended ones too
//   arrival     vm        where a topology has put it, while not all has been announced of it
//   host        name      whether it takes VMs in, if not as ever
//   flow        switch, flow key     a user's flow, as a flow mod of the control protocol
//   unfinished  number in the journal    flows to put back should a switch refuse what was begun
//   wire        vnic and host     what a vNIC is joined to there
//   guest       vm and host       which QEMU has it there
//   ports, tags, network  a switch, a host, a network     numbers that stand for names
//   zones       a host      connection-tracking zones of vNICs
//   combination, far end  security groups together, a name in their rules   numbers that stand for them
//   learned     network, address    an address that traffic has shown
//   member      network, group, spot    who listens to a multicast group, or is a multicast router
//   generation  ''        that of the last start: part of the state, and not of the image, as
//   journal     forgotten  up to where the journal is not kept any more

import { decodeEnvelope, encodeEnvelope } from '../../protocols/control/codec.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Change, StoredEntry, StoredValue } from '../../runtime/store.ts'
import type { Topology, Vm } from '../../topologies/topology.ts'
import type { Wire, Wires } from '../hosts/wires.ts'
import type { GuestPlace, GuestPlacesByName } from '../hypervisor/guest-place.ts'
import type { Mark } from '../migration/mark.ts'
import type { FormerPlace } from '../migration/left-behind.ts'
import type { HostMode, MigrationStatus, MoveRequest, RelocationStatus } from '../model.ts'
import { type LearnedAddress, LearnedAddresses } from '../network/learned.ts'
import { type Membership, Memberships } from '../network/memberships.ts'
import { changedMembers, vmsNamed } from '../network/vm-changes.ts'
import { bareIntent, type Intent, type Move } from '../network/intent.ts'
import type { Assignments } from '../network/view.ts'
import { NO_ASSIGNMENTS } from '../network/view.ts'
import { changedKeys, PersistentMap } from '../persistent-map.ts'
import { flowKey } from '../reconcile/switch-state.ts'
import type { FlowsBySwitch, FlowUndo } from '../user-flows.ts'
import { changedTopology, keptTopology } from './kept-topology.ts'

export interface Image extends Intent {
  /** As it was last asked for; undefined where nobody has. */
  readonly asked: Topology | undefined
  readonly userFlows: FlowsBySwitch
  readonly assignments: Assignments
  readonly wires: Wires
  readonly guestPlaces: GuestPlacesByName
  readonly migrations: ReadonlyMap<string, MigrationRecord>
  readonly relocations: ReadonlyMap<string, RelocationRecord>
  readonly arrivals: ReadonlyMap<string, string>
  readonly hostModes: ReadonlyMap<string, HostMode>
  readonly unfinished: ReadonlyMap<number, readonly FlowUndo[]>
}

export interface MigrationRecord {
  readonly status: MigrationStatus
  /** A digest of the policy at the source, before anything changed; '' where it is not known yet. */
  readonly policyBefore: string
  /** Where its vNICs were, once it has left, or goes back. */
  readonly former?: readonly FormerPlace[]
  /** Where it goes back: what the source had kept before anybody was told to send there again. */
  readonly turned?: Mark
  /** What the source had kept of what the destination was handed before it opened, and since: it may have been let out, and is not handed over again. */
  readonly handed?: Mark
  /** The guest has been told to go on at the destination: there is no way back. */
  readonly goesOn?: boolean
  /** By what it is to be seen there before it is let in. */
  readonly awaited?: Pick<MoveRequest, 'activation' | 'activationTimeout'>
  /** Switches that may go on sending to the place that it has left. */
  readonly untold?: readonly string[]
  /** Ports of it that have lost what was gathered there or brought, and have not been brought it again (state-transfer.ts). */
  readonly lost?: readonly string[]
  /** What was asked, while it waits for its turn. */
  readonly request?: MoveRequest
  /** Number in the journal. */
  readonly entry?: number
}

export interface RelocationRecord {
  readonly status: RelocationStatus
  /** What is asked of each move. */
  readonly request: Pick<MoveRequest, 'pause' | 'drain'>
  /** Who asked for it. */
  readonly by: string
  /** Number in the journal. */
  readonly entry?: number
}

export const NO_TOPOLOGY: Topology = {
  name: '',
  hosts: [],
  fabric: { switches: [], links: [] },
  networks: [],
  addressGroups: [],
  securityGroups: [],
  vms: [],
}

export const EMPTY_IMAGE: Image = {
  asked: undefined,
  ...bareIntent(NO_TOPOLOGY),
  userFlows: new Map(),
  assignments: NO_ASSIGNMENTS,
  wires: new Map(),
  guestPlaces: new Map(),
  migrations: new Map(),
  relocations: new Map(),
  arrivals: new Map(),
  hostModes: new Map(),
  unfinished: new Map(),
}

/** The part of it that says what switches are to be. */
export const intentOf = ({ topology, moves, formerHosts, learned, memberships }: Intent): Intent => ({
  topology,
  moves,
  formerHosts,
  learned,
  memberships,
})

/**
 * What must be written for `before` to become `after`. `epoch` is the time at which the clock of all instants began, in milliseconds
 * since 1970.
 */
export function changesBetween(before: Image, after: Image, epoch: number): Change[] {
  return [
    ...changedTopology(before.asked, after.asked),
    ...changedPlaces(before, after),
    ...changed('move', before.moves, after.moves, asJson),
    ...changed('former', before.formerHosts, after.formerHosts, asJson),
    ...changed('migration', before.migrations, after.migrations, (record) => asJson({ epoch, ...record })),
    ...changed('relocation', before.relocations, after.relocations, (record) => asJson({ epoch, ...record })),
    ...changed('arrival', before.arrivals, after.arrivals, String),
    ...changed('host', before.hostModes, after.hostModes, asJson),
    ...changedFlows(before.userFlows, after.userFlows),
    ...changed('unfinished', before.unfinished, after.unfinished, writeUndo),
    ...changed('wire', before.wires, after.wires, asJson),
    ...changed('guest', before.guestPlaces, after.guestPlaces, asJson),
    ...changed('ports', before.assignments.portNumbers, after.assignments.portNumbers, writeNumbers),
    ...changed('tags', before.assignments.localTags, after.assignments.localTags, writeNumbers),
    ...changed('zones', before.assignments.zones, after.assignments.zones, writeNumbers),
    ...changed(
      'combination',
      before.assignments.groupNumbers.combinations,
      after.assignments.groupNumbers.combinations,
      String,
    ),
    ...changed('far end', before.assignments.groupNumbers.farEnds, after.assignments.groupNumbers.farEnds, String),
    ...changed('network', before.assignments.networkNumbers, after.assignments.networkNumbers, String),
    ...changedLearned(before.learned, after.learned),
    ...changedMemberships(before.memberships, after.memberships),
  ]
}

type Parts<T> = ReadonlyMap<string | number, T> | Readonly<Record<string, T | undefined>>

function changed<T>(kind: string, before: Parts<T>, after: Parts<T>, written: (value: T) => StoredValue): Change[] {
  if (before === after) return []
  return changedKeys(entriesOf(before), entriesOf(after)).map(([key, , value]) =>
    value === undefined ? { kind, key: `${key}` } : { kind, key: `${key}`, value: written(value) },
  )
}

function entriesOf<T>(parts: Parts<T>): ReadonlyMap<string | number, T> {
  if (parts instanceof Map || parts instanceof PersistentMap) return parts as ReadonlyMap<string | number, T>
  return new Map(Object.entries(parts).filter((entry): entry is [string, T] => entry[1] !== undefined))
}

/** Of the VMs that are not where they were asked to be. */
function changedPlaces(before: Image, after: Image): Change[] {
  const names = new Set<string>()
  const [asked, running] = [before.asked?.vms ?? [], before.topology.vms]
  for (const { was, is } of changedMembers(asked, after.asked?.vms ?? [])) names.add((is ?? was)!.name)
  for (const { was, is } of changedMembers(running, after.topology.vms)) names.add((is ?? was)!.name)
  if (names.size === 0) return []
  return changed('place', placesOf(before, names), placesOf(after, names), String)
}

function placesOf({ asked, topology }: Image, names: ReadonlySet<string>): Map<string, string> {
  const wanted = vmsNamed(asked?.vms ?? [], names)
  const elsewhere = [...vmsNamed(topology.vms, names).values()].filter(
    ({ name, host }) => wanted.get(name)?.host !== host,
  )
  return new Map(
    elsewhere.map(({ name, host, nics }) => [name, asJson({ host, bridges: nics.map(({ bridge }) => bridge) })]),
  )
}

function changedFlows(before: FlowsBySwitch, after: FlowsBySwitch): Change[] {
  if (before === after) return []
  const none: ReadonlyMap<string, FlowSpec> = new Map()
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) =>
    changed('flow', before.get(name) ?? none, after.get(name) ?? none, writeFlow).map((change) => ({
      ...change,
      key: `${name}${SEPARATOR}${change.key}`,
    })),
  )
}

function changedLearned({ byNetwork: before }: LearnedAddresses, { byNetwork: after }: LearnedAddresses): Change[] {
  return after.changesSince(before).flatMap(([network, was = PersistentMap.empty(), is = PersistentMap.empty()]) =>
    changed('learned', was, is, ({ mac, ...one }) => asJson({ ...one, mac: mac.toString(16) })).map((change) => ({
      ...change,
      key: `${network}${SEPARATOR}${Number(change.key).toString(16)}`,
    })),
  )
}

function changedMemberships({ byNetwork: before }: Memberships, { byNetwork: after }: Memberships): Change[] {
  const none = PersistentMap.empty<string, never>()
  return after.changesSince(before).flatMap(([network, was = none, is = none]) =>
    is.changesSince(was).flatMap(([group, old = none, now = none]) =>
      changed('member', old, now, asJson).map((change) => ({
        ...change,
        key: [network, group, change.key].join(SEPARATOR),
      })),
    ),
  )
}

/** The image that the entries are of. @throws Error where one is not what it should be */
export function imageOf(entries: Iterable<StoredEntry>, epoch: number): Image {
  const kinds = new Map<string, Map<string, StoredValue>>()
  for (const { kind, key, value } of entries) {
    const own = kinds.get(kind) ?? new Map<string, StoredValue>()
    kinds.set(kind, own.set(key, value))
  }
  const read = <T>(kind: string, readOne: (value: StoredValue) => T): Map<string, T> =>
    new Map([...(kinds.get(kind) ?? [])].map(([key, value]) => [key, readOne(value)]))
  const asked = keptTopology(kinds.get('topology'), kinds.get('order'), kinds.get('asked'))
  return {
    asked,
    topology: asked === undefined ? NO_TOPOLOGY : withPlaces(asked, read<Placement>('place', fromJson)),
    moves: read<Move>('move', fromJson),
    formerHosts: read<string[]>('former', fromJson),
    learned: readLearned(read<WrittenAddress>('learned', fromJson).values()),
    memberships: [...read<Membership>('member', fromJson).values()].reduce(
      (memberships, one) => memberships.with(one),
      new Memberships(),
    ),
    userFlows: readFlows(kinds.get('flow') ?? new Map()),
    assignments: {
      portNumbers: read('ports', readNumbers),
      localTags: read('tags', readNumbers),
      networkNumbers: read('network', Number),
      zones: read('zones', readNumbers),
      groupNumbers: { combinations: read('combination', Number), farEnds: read('far end', Number) },
    },
    wires: read<Wire>('wire', fromJson),
    guestPlaces: read<GuestPlace>('guest', fromJson),
    migrations: read('migration', (value) => readRecord(value, epoch)),
    relocations: read('relocation', (value) => readRelocation(value, epoch)),
    arrivals: read('arrival', textOf),
    hostModes: read<HostMode>('host', fromJson),
    unfinished: new Map([...read('unfinished', readUndo)].map(([number, undo]) => [Number(number), undo])),
  }
}

interface Placement {
  host: string
  /** Of its vNICs, in their order. */
  bridges: string[]
}

const withPlaces = (asked: Topology, places: ReadonlyMap<string, Placement>): Topology =>
  places.size === 0 ? asked : { ...asked, vms: asked.vms.map((vm) => placed(vm, places.get(vm.name))) }

function placed(vm: Vm, place: Placement | undefined): Vm {
  if (place === undefined) return vm
  const nics = vm.nics.map((nic, index) => {
    const bridge = place.bridges[index] ?? nic.bridge
    return bridge === nic.bridge ? nic : { ...nic, bridge }
  })
  return { ...vm, host: place.host, nics }
}

type WrittenAddress = Omit<LearnedAddress, 'mac'> & { mac: string }

function readLearned(written: Iterable<WrittenAddress>): LearnedAddresses {
  let learned = new LearnedAddresses()
  for (const { network, mac, location } of written) learned = learned.learn(network, BigInt(`0x${mac}`), location)
  return learned
}

function readFlows(written: ReadonlyMap<string, StoredValue>): FlowsBySwitch {
  const flows = new Map<string, Map<string, FlowSpec>>()
  for (const [key, value] of written) {
    const name = key.slice(0, key.indexOf(SEPARATOR))
    const flow = readFlow(value)
    const own = flows.get(name) ?? new Map<string, FlowSpec>()
    flows.set(name, own.set(flowKey(flow), flow))
  }
  return flows
}

type WrittenRecord = Omit<MigrationRecord, 'status'> & { epoch: number; status: Partial<MigrationStatus> & Unchanging }
type Unchanging = Omit<
  MigrationStatus,
  'redirected' | 'overflowed' | 'unconfirmed' | 'connections' | 'steps' | 'leftBehind'
>

/** Instants count from the start of another clock now. */
function readRecord(value: StoredValue, epoch: number): MigrationRecord {
  const { epoch: before, status, ...record } = fromJson<WrittenRecord>(value)
  const shift = Math.round((before - epoch) * 1e6)
  const shifted = Object.fromEntries(
    INSTANTS.flatMap((key) => (status[key] === undefined ? [] : [[key, status[key] + shift]])),
  )
  const steps = (status.steps ?? []).map((step) => ({ ...step, at: step.at + shift }))
  return { ...record, status: { ...UNTOLD, ...status, ...shifted, steps } }
}

function readRelocation(value: StoredValue, epoch: number): RelocationRecord {
  const { epoch: before, status, ...record } = fromJson<RelocationRecord & { epoch: number }>(value)
  const shift = Math.round((before - epoch) * 1e6)
  const ended = status.endedAt === undefined ? {} : { endedAt: status.endedAt + shift }
  const moves = status.moves.map(({ restartedAt, ...move }) => ({
    ...move,
    ...(restartedAt !== undefined && { restartedAt: restartedAt + shift }),
  }))
  return { ...record, status: { ...status, moves, startedAt: status.startedAt + shift, ...ended } }
}

/** What files of before did not say. */
const UNTOLD = { redirected: 0, overflowed: 0, unconfirmed: [], connections: 0, leftBehind: [] }

const INSTANTS = ['startedAt', 'pausedAt', 'resumedAt', 'endedAt'] as const

/** In no name of a switch or network, and in no key of a flow. */
const SEPARATOR = '\t'

const asJson = (value: unknown): string => JSON.stringify(value)
const fromJson = <T>(value: StoredValue): T => JSON.parse(textOf(value)) as T

const textOf = (value: StoredValue): string => (typeof value === 'string' ? value : Buffer.from(value).toString())

const writeNumbers = (numbers: ReadonlyMap<string, number>): string => asJson(Object.fromEntries(numbers))
const readNumbers = (value: StoredValue): Map<string, number> =>
  new Map(Object.entries(fromJson<Record<string, number>>(value)))

const writeFlow = (flow: FlowSpec): Uint8Array =>
  encodeEnvelope({ xid: 0, message: { type: 'flowMod', command: 'add', cookieMask: 0n, ...flow } })

function readFlow(value: StoredValue): FlowSpec {
  const { message } = decodeEnvelope(typeof value === 'string' ? Buffer.from(value) : value)
  if (message.type !== 'flowMod') throw new Error(`expected a flow, found ${message.type}`)
  const { type: _type, command: _command, cookieMask: _mask, ...flow } = message
  return flow
}

const writeUndo = (undo: readonly FlowUndo[]): string =>
  asJson(
    undo.map(({ flow, ...one }) => ({
      ...one,
      ...(flow && { flow: Buffer.from(writeFlow(flow)).toString('base64') }),
    })),
  )

const readUndo = (value: StoredValue): FlowUndo[] =>
  fromJson<(Omit<FlowUndo, 'flow'> & { flow?: string })[]>(value).map(({ flow, ...one }) =>
    flow === undefined ? one : { ...one, flow: readFlow(Buffer.from(flow, 'base64')) },
  )
