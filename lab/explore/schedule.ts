// What is done to a run, as plain data: a list of perturbations, each with the moment at which it begins. Nothing else about a
// run is left to chance, so a schedule says exactly what happens, and one without some of its perturbations is a schedule too.

import type { Nanoseconds } from '../../runtime/clock.ts'

/** As the control event of this number is about to happen, or so long after the first step of the scenario could. */
export type Moment = { event: number } | { time: Nanoseconds }

/** `down`: from the controller to the switch. */
export type Direction = 'down' | 'up'

export const DIRECTIONS: readonly Direction[] = ['down', 'up']

export type Perturbation =
  /** A step of the timeline, by its place there, comes later. */
  | { kind: 'shift'; step: number; by: Nanoseconds }
  /** Frames take up to so much longer on each link, each its own time. */
  | { kind: 'jitter'; by: Nanoseconds }
  /** What is said to a switch, or by it, takes longer for a while. What is said on one connection never changes its order. */
  | { kind: 'slow'; at: Moment; switch: string; direction: Direction; latency: Nanoseconds; lasts: Nanoseconds }
  /** Of the next bytes on a connection this share comes now, the rest later. */
  | { kind: 'split'; at: Moment; switch: string; direction: Direction; share: number; later: Nanoseconds }
  /**
   * A connection breaks. Of what is on its way only the first share arrives; each end finds out in its time, and says things to
   * nobody until then. The switch dials again when it has been without a controller for `away`.
   */
  | {
      kind: 'cut'
      at: Moment
      switch: string
      down: number
      up: number
      noticed: { switch: Nanoseconds; controller: Nanoseconds }
      away: Nanoseconds
    }
  /** The controller's process is killed; of what it has said that is still on its way the first share arrives. It starts again after `away`. */
  | { kind: 'kill'; at: Moment; share: number; away: Nanoseconds }
  /**
   * Another controller takes over with what is on the disk, and switches dial it too, while this one is only frozen: after so long it
   * goes on with what it knows and was about to do, until it hears that it is no longer in charge.
   */
  | { kind: 'takeover'; at: Moment; frozen: Nanoseconds }
  /** The process that runs a host's switches is killed, and with it flows and ports; guests run on. */
  | { kind: 'restart'; at: Moment; host: string; away: Nanoseconds }
  /** A host has no power for a while. */
  | { kind: 'power'; at: Moment; host: string; away: Nanoseconds }
  /** A link is down for a while. */
  | { kind: 'link'; at: Moment; endpoints: [string, string]; away: Nanoseconds }
  /** What the controller is to do at some instant it does later, for a while. */
  | { kind: 'late'; at: Moment; by: Nanoseconds; lasts: Nanoseconds }
  /** Nothing can be written to the controller's disk for a while. */
  | { kind: 'disk'; at: Moment; lasts: Nanoseconds }
  /** Somebody asks for the moves that are under way to be aborted. */
  | { kind: 'abort'; at: Moment }

export type PerturbationKind = Perturbation['kind']

export interface Schedule {
  /** What draws jitter, and the paths of frames where several are equal. */
  seed: number
  perturbations: readonly Perturbation[]
}

/** Those that begin at a moment. */
export type Timed = Extract<Perturbation, { at: Moment }>

export const isTimed = (one: Perturbation): one is Timed => 'at' in one
