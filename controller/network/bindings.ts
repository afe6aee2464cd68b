// Which vNIC is where. While a VM moves it has two places, and which of them counts depends on who asks.

import type { ActivationFrame, HoldLimits, PortState } from '../../protocols/control/messages.ts'
import type { Nic } from '../../topologies/topology.ts'
import type { Attachment } from './attachments.ts'
import { attachmentsOf } from './attachments.ts'

export interface Seat {
  readonly host: string
  /** `h1/br-int` */
  readonly switch: string
  readonly port: number
  /** Tunnel endpoint of the host. */
  readonly vtep: number | undefined
}

export interface Place extends Seat {
  /** What the port is to be once its flows are there. */
  readonly state: PortState
  /** What it keeps at most, where somebody has said. */
  readonly hold?: HoldLimits
  /** By what its guest shows, in state `hold`, that it goes on there. */
  readonly activation?: readonly ActivationFrame[]
}

/**
 * How far a move has come; each stage is confirmed by every switch concerned before the next.
 *
 * - `settled`: there is one place.
 * - `prepared`: the target has port, policy and flows; nothing is sent there.
 * - `collecting`: the target's host sends to the target's port; all others still send home. Floods reach both ports.
 * - `moved`: all but the home's host send to the target. Floods reach both ports.
 * - `released`: all send to the target; the home's port gets only what comes in from outside, late.
 * - `returned`: all send home again; the target's port gets only what comes in from outside, late.
 */
export type Stage = 'settled' | 'prepared' | 'collecting' | 'moved' | 'released' | 'returned'

export interface Binding {
  readonly nic: Nic
  /** At the host that the topology names: of a move the source. */
  readonly home: Place
  /** The destination of a move. */
  readonly target: Place | undefined
  readonly stage: Stage
}

/** Where a vNIC is, whatever its ports let through. */
export interface Whereabouts<S extends Seat = Seat> {
  readonly home: S
  readonly target: S | undefined
  readonly stage: Stage
}

const isHome = (stage: Stage): boolean => stage === 'settled' || stage === 'prepared' || stage === 'returned'

/** Some send to the one place, some to the other. */
export const isTurning = (stage: Stage): boolean => stage === 'collecting' || stage === 'moved'

/** The place to which nobody is to send any more, and some may still; undefined where there is none. */
export function placeLeft<S extends Seat>({ home, target, stage }: Whereabouts<S>): S | undefined {
  if (stage === 'released') return home
  return stage === 'returned' ? target : undefined
}

/** Where `host` is to send what is for the vNIC. */
export function placeSeenFrom<S extends Seat>({ home, target, stage }: Whereabouts<S>, host: string): S {
  if (target === undefined || isHome(stage)) return home
  if (stage === 'released') return target
  if (stage === 'collecting') return host === target.host ? target : home
  return host === home.host ? home : target
}

/** Where the physical network is to send what is for the vNIC. */
export function placeAnnounced<S extends Seat>({ home, target, stage }: Whereabouts<S>): S {
  return target !== undefined && (stage === 'moved' || stage === 'released') ? target : home
}

/** The ports at which floods of the vNIC's networks are to reach it. */
export function floodedPlaces({ home, target, stage }: Whereabouts): Seat[] {
  if (target === undefined || isHome(stage)) return [home]
  return stage === 'released' ? [target] : [home, target]
}

export const placesOf = ({ home, target }: Binding): Place[] => (target === undefined ? [home] : [home, target])

/** The place of the vNIC that is on this switch. */
export const placeOn = (binding: Binding, switchName: string): Place | undefined =>
  placesOf(binding).find((place) => place.switch === switchName)

/** How a vNIC is on a network; more than once as several sub-ports of a trunk. */
export const attachedTo = ({ nic }: Binding, network: string): Attachment[] =>
  attachmentsOf(nic).filter((attachment) => attachment.network === network)

/**
 * What a network knows of one of its members: under which address it is where. Nothing of its policy, so that a change of that
 * concerns nobody but the switches where its ports are.
 */
export interface Resident extends Whereabouts {
  readonly nic: string
  /** Place among the attachments of its vNIC. */
  readonly index: number
  readonly mac: bigint
  /** The topology does not know of the address: traffic has shown it. */
  readonly learned: boolean
  readonly ipv4: readonly bigint[]
  readonly ipv6: readonly bigint[]
}

/** As the network is to know it; `learned` is an address that the topology does not know. */
export function residentOf(binding: Binding, attachment: Attachment, learned?: bigint): Resident {
  const { home, target, stage, nic } = binding
  const { index, mac, ipv4, ipv6 } = attachment
  const where = { home: seatOf(home), target: target && seatOf(target), stage }
  const addresses = learned === undefined ? { mac, ipv4, ipv6 } : { mac: learned, ipv4: [], ipv6: [] }
  return { nic: nic.id, index, ...addresses, learned: learned !== undefined, ...where }
}

const seatOf = ({ state: _state, ...seat }: Place): Seat => seat

/** What `Register.To` says for an attachment of this index at this place. */
export const exitNumber = ({ port }: Seat, { index }: { readonly index: number }): number => port + 0x10000 * index

export const portOfExit = (exit: number): number => exit % 0x10000
