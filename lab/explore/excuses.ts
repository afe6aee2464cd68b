// What failures excuse, and nothing beyond: frames that nobody could have saved.

import type { MigrationStatus } from '../../controller/model.ts'
import { MILLISECOND, type Nanoseconds } from '../../runtime/clock.ts'

/** While something was broken: what was on its way since `from` may be lost with it. */
interface Span {
  from: Nanoseconds
  /** Infinity while it lasts. */
  to: Nanoseconds
}

/** A link, as places where frames end name it, one name for each way. */
interface LinkDown extends Span {
  places: readonly string[]
}

/** A host whose switches were gone, and what they knew. */
interface HostGone extends Span {
  host: string
  /** VMs that were there before, or when it was as it should be again. */
  vms: ReadonlySet<string>
}

export interface LostFrame {
  /** When it was sent. */
  at: Nanoseconds
  /** Its sender, and who has not heard it. */
  nics: readonly string[]
  /** What its last copy ended for, and where. */
  reason?: string | undefined
  place?: string | undefined
}

export class Excuses {
  readonly #links: LinkDown[] = []
  readonly #unreachable: (Span & { host: string })[] = []
  readonly #gone: HostGone[] = []
  /** Hosts that a step of the scenario has broken, and until when. */
  readonly #broken: { host: string; at: Nanoseconds; until: Nanoseconds }[] = []

  /** A link breaks; what is returned says until when. */
  link(from: Nanoseconds, [a, b]: readonly [string, string]): (to: Nanoseconds) => void {
    const down = { from, to: Infinity, places: [`${a} - ${b}`, `${b} - ${a}`] }
    this.#links.push(down)
    return (to) => {
      down.to = to
    }
  }

  /** The host's switches are gone; what is returned says until when, and which VMs are there then. */
  host(from: Nanoseconds, host: string, vms: ReadonlySet<string>): (to: Nanoseconds, vms: ReadonlySet<string>) => void {
    const gone: HostGone = { from, to: Infinity, host, vms }
    this.#gone.push(gone)
    return (to, there) => {
      gone.to = to
      gone.vms = new Set([...vms, ...there])
    }
  }

  /** The controller can not reach a switch of the host; what is returned says until when. */
  unreachable(from: Nanoseconds, host: string): (to: Nanoseconds) => void {
    const span = { from, to: Infinity, host }
    this.#unreachable.push(span)
    return (to) => {
      span.to = to
    }
  }

  /**
   * Whether the host was away for some of the move: it could not be told what to do, or asked what it has. A controller that was killed or
   * taken over from is no reason: the next one waits for the host longer than anything said to it takes.
   */
  wasAway(host: string, move: MigrationStatus): boolean {
    const isOf = (span: Span & { host: string }) => span.host === host && isUnderWay(move, span)
    return (
      [...this.#unreachable, ...this.#gone].some(isOf) ||
      this.#broken.some((broken) => broken.host === host && isUnderWay(move, { from: broken.at, to: broken.until }))
    )
  }

  /** A step of the scenario breaks the host. All but what it kept the judge knows of itself. */
  brokenByStep(host: string, at: Nanoseconds): void {
    this.#broken.push({ host, at, until: Infinity })
  }

  /** A step of the scenario mends it. */
  healedByStep(host: string, at: Nanoseconds): void {
    for (const broken of this.#broken) if (broken.host === host) broken.until = Math.min(broken.until, at)
  }

  covers(frame: LostFrame, moves: readonly MigrationStatus[]): boolean {
    const vms = frame.nics.map((nic) => nic.slice(0, nic.indexOf(':')))
    const own = moves.filter(({ vm }) => vms.includes(vm))
    return (
      this.#gone.some((gone) => isGoneWith(frame, vms, gone, own) || this.#isOfForgotten(frame, gone, own)) ||
      this.#links.some((down) => wasOnLink(frame, down) || isBeforeAnnouncement(frame, down, own)) ||
      this.#broken.some(({ host, at }) => wasKeptAt(frame, host, at, own))
    )
  }

  /**
   * The connections of a guest that had stopped to go on at the host that is gone, where the host that it left was gone, too: groups know
   * them no more, and deny from then on what belongs to them.
   */
  #isOfForgotten({ at, reason, place }: LostFrame, gone: HostGone, moves: readonly MigrationStatus[]): boolean {
    if (reason !== 'security_group' || !isAt(place, gone.host) || at < gone.from) return false
    const isForgotten = (move: MigrationStatus) =>
      move.to === gone.host && (move.pausedAt ?? Infinity) <= gone.to && isUnderWay(move, gone)
    return moves.some(
      (move) => isForgotten(move) && this.#gone.some((other) => other.host === move.from && isUnderWay(move, other)),
    )
  }
}

/** What the guests of a host that is gone say and hear is lost, and what it held for one that moves. */
function isGoneWith(
  { at }: LostFrame,
  vms: readonly string[],
  gone: HostGone,
  moves: readonly MigrationStatus[],
): boolean {
  if (at > gone.to) return false
  if (at >= gone.from && vms.some((vm) => gone.vms.has(vm))) return true
  return moves.some((move) => isUnderWay(move, gone) && concerns(move, gone.host) && isSince(at, gone, move))
}

/**
 * The announcement of a guest that moves may be lost with a link, and then what is sent to where nobody is any more, until it is said
 * again; and while the link is down there may be no way from the guest's one place to the other.
 */
function isBeforeAnnouncement({ at, reason }: LostFrame, span: Span, moves: readonly MigrationStatus[]): boolean {
  const end = reason === 'no_recipient' ? span.to + ANNOUNCED_AGAIN : reason === 'no_route' ? span.to : -Infinity
  if (at > end) return false
  return moves.some((move) => isUnderWay(move, span) && isSince(at, span, move))
}

/**
 * What is on a link goes with it. The judge excuses that of itself where no way leads from guest to guest any more; but of one that moves,
 * frames come to the new place before it does.
 */
const wasOnLink = ({ at, reason, place }: LostFrame, { to, places }: LinkDown): boolean =>
  reason === 'link_down' && place !== undefined && places.includes(place) && at <= to

/** What the host's ports kept for a guest that moved is gone with them. */
function wasKeptAt(frame: LostFrame, host: string, brokenAt: Nanoseconds, moves: readonly MigrationStatus[]): boolean {
  if (frame.reason !== 'link_down' || !isAt(frame.place, host) || frame.at > brokenAt) return false
  const span = { from: brokenAt, to: brokenAt }
  return moves.some((move) => isUnderWay(move, span) && concerns(move, host) && isSince(frame.at, span, move))
}

const isUnderWay = ({ startedAt, endedAt = Infinity }: MigrationStatus, { from, to }: Span): boolean =>
  startedAt <= to && endedAt + SLACK >= from

const concerns = ({ from, to }: MigrationStatus, host: string): boolean => from === host || to === host

const isSince = (at: Nanoseconds, { from }: Span, { startedAt }: MigrationStatus): boolean =>
  at >= Math.min(from, startedAt - SLACK)

const isAt = (place: string | undefined, host: string): boolean => place?.startsWith(`${host}/`) === true

/** The second of them may be lost with the first where a link is down for as long as it is here; the third comes so much later. */
const ANNOUNCED_AGAIN = 150 * MILLISECOND

/** Instants of moves are kept over restarts in whole milliseconds. */
const SLACK = 2 * MILLISECOND
