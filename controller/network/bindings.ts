// Which vNIC is where. While a VM moves it has two places, and which of them counts depends on who asks.

import type { PortState } from '../../protocols/control/messages.ts'
import type { Nic } from '../../topologies/topology.ts'
import type { Attachment } from './attachments.ts'
import { attachmentsOf } from './attachments.ts'

export interface Place {
  readonly host: string
  /** `h1/br-int` */
  readonly switch: string
  readonly port: number
  /** Tunnel endpoint of the host. */
  readonly vtep: number | undefined
  /** What the port is to be once its flows are there. */
  readonly state: PortState
}

/**
 * How far a move has come; each stage is confirmed by every switch concerned before the next.
 *
 * - `settled`: there is one place.
 * - `prepared`: the target has port, policy and flows; nothing is sent there.
 * - `collecting`: the target's host sends to the target's port; all others still send home. Floods reach both ports.
 * - `moved`: all but the home's host send to the target. Floods reach both ports.
 * - `released`: all send to the target; the home's port gets only what comes in from outside, late.
 */
export type Stage = 'settled' | 'prepared' | 'collecting' | 'moved' | 'released'

export interface Binding {
  readonly nic: Nic
  readonly home: Place
  readonly target: Place | undefined
  readonly stage: Stage
}

/** Where `host` is to send what is for the vNIC. */
export function placeSeenFrom({ home, target, stage }: Binding, host: string): Place {
  if (target === undefined || stage === 'settled' || stage === 'prepared') return home
  if (stage === 'released') return target
  if (stage === 'collecting') return host === target.host ? target : home
  return host === home.host ? home : target
}

/** The ports at which floods of the vNIC's networks are to reach it. */
export function floodedPlaces({ home, target, stage }: Binding): Place[] {
  if (target === undefined || stage === 'settled' || stage === 'prepared') return [home]
  return stage === 'released' ? [target] : [home, target]
}

export const placesOf = ({ home, target }: Binding): Place[] => (target === undefined ? [home] : [home, target])

/** A vNIC on one of its networks, under one of the addresses that are known there. */
export interface Member {
  readonly binding: Binding
  readonly attachment: Attachment
  readonly mac: bigint
}

const known = new WeakMap<Binding, readonly Member[]>()

/** The same members for the same binding, so that what was made of them can be kept. */
export function membersOf(binding: Binding): readonly Member[] {
  const before = known.get(binding)
  if (before) return before
  const members = attachmentsOf(binding.nic).map((attachment) => ({ binding, attachment, mac: attachment.mac }))
  known.set(binding, members)
  return members
}

/** What `Register.To` says for this attachment at this place. */
export const exitNumber = (place: Place, attachment: Attachment): number => place.port + 0x10000 * attachment.index
