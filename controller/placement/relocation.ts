// Several VMs that are to go elsewhere, for one reason: so many at a time, each by a move of its own. What could not be moved stays where
// it is, and is told.

import { vmNamed } from '../../topologies/lookup.ts'
import type { Vm } from '../../topologies/topology.ts'
import type { MigrationStatus, RelocatedVm, RelocationStatus } from '../model.ts'
import { Conflict, NotFound } from '../model.ts'
import type { Occupancy } from './occupancy.ts'
import { whyNowhere } from './plan.ts'
import type { RestartRequest } from './restart.ts'
import { textOf } from '../../runtime/error-text.ts'

export interface RelocationWorld {
  now(): number
  /** As it is now: VMs that move, or wait for their turn, are at both places. */
  occupancy(): Occupancy
  /** Starts a move. @returns its id. @throws Conflict, NotFound */
  start(vm: string, to: string): string
  done(id: string): Promise<MigrationStatus>
  abort(id: string): void
  /** Moves of the VM that have not ended. */
  movesOf(vm: string): readonly { id: string; to: string }[]
  /** VMs that are at the host, or on their way there. */
  vmsAt(host: string): readonly Vm[]
  /** Begins it anew at `to`, wherever it is. */
  restart(vm: string, request: RestartRequest): Promise<void>
  note(status: RelocationStatus): void
}

/** Hosts that are tried for one VM, should moves to them fail. */
const TRIES = 3

export class Relocation {
  readonly #world: RelocationWorld
  #status: RelocationStatus
  #aborted = false
  readonly #whenAborted: Promise<void>
  #tellAborted!: () => void
  /** VMs with moves that somebody else has asked for. Resolves when these have ended; rejects as `run` does. */
  readonly #awaited = new Map<string, Promise<void>>()
  /** VMs that other hosts have to let go of first, however long that takes: others begin meanwhile. With what ends the wait. */
  readonly #held = new Map<string, () => void>()
  #tellHeld: () => void = () => {}

  constructor(world: RelocationWorld, status: RelocationStatus) {
    this.#world = world
    this.#status = status
    this.#whenAborted = new Promise((resolve) => {
      this.#tellAborted = resolve
    })
  }

  /** Moves that are under way are undone, if they still can be, and no other begins. */
  abort(): void {
    this.#aborted = true
    this.#tellAborted()
    for (const { state, migration } of this.#status.moves)
      if (state === 'moving' && migration !== undefined) this.#world.abort(migration)
  }

  /** A VM that is not there any more, or has been put elsewhere, waits no longer for other hosts to let go of it. */
  topologyChanged(): void {
    for (const [name, endWait] of this.#held) {
      const move = this.#status.moves.find(({ vm, state }) => vm === name && state === 'moving')
      if (!this.#world.vmsAt(move?.to ?? '').some((vm) => vm.name === name)) endWait()
    }
  }

  /** Resolves when all have been moved that could be. @throws Conflict where another controller is in charge */
  async run(): Promise<void> {
    const underWay = new Set<Promise<void>>()
    for (;;) {
      const moreHeld = new Promise<void>((resolve) => (this.#tellHeld = resolve))
      while (underWay.size - this.#held.size < this.#status.parallel && !this.#aborted) {
        const begun = this.#beginNext(underWay.size > 0)
        if (begun === undefined) break
        const ended = begun.finally(() => underWay.delete(ended))
        underWay.add(ended)
      }
      const concerning = this.#aborted ? [...underWay] : [...underWay, ...this.#awaited.values()]
      if (concerning.length > 0)
        await Promise.race(this.#aborted ? concerning : [...concerning, moreHeld, this.#whenAborted])
      else if (this.#aborted || !this.#lookAgain()) break
    }
    this.#end()
  }

  /** The next whose turn it is. Undefined where none is left, or all that are wait for others to have moved. */
  #beginNext(othersMove: boolean): Promise<void> | undefined {
    const occupancy = this.#world.occupancy()
    for (const [index, move] of this.#status.moves.entries()) {
      if (move.state !== 'waiting') continue
      // It may be moved twice.
      if (this.#isMoving(move.vm)) return undefined
      const vm = vmNamed(occupancy.topology.vms, move.vm)
      if (this.#isAwaited(vm, move)) {
        if (this.#status.kind === 'rebalance') return undefined
      } else if (vm === undefined) this.#set(index, { state: 'failed', problem: 'it is not there any more' })
      else if (this.#isElsewhere(vm, move)) this.#settleElsewhere(index, vm)
      else {
        const to = this.#destinationOf(occupancy, vm, move)
        if (to !== undefined) return this.#begin(index, vm, to)
        if (!othersMove && this.#awaited.size === 0)
          this.#set(index, { state: 'failed', problem: this.#whyNot(occupancy, vm, move) })
        // A plan that is exact is carried out in its order.
        else if (this.#status.kind === 'rebalance') return undefined
      }
    }
    return undefined
  }

  #isMoving(vm: string): boolean {
    return this.#status.moves.some((move) => move.vm === vm && move.state === 'moving')
  }

  /**
   * Whether others move it, away from its host or to it: where it is to be taken from is known once that has ended. With a host that has
   * failed such a move has no sense any more, and is undone if it still can be.
   */
  #isAwaited(vm: Vm | undefined, move: RelocatedVm): boolean {
    const { vm: name, from } = move
    if (this.#awaited.has(name)) return true
    const moves = this.#world.movesOf(name)
    const isHere = vm !== undefined && !this.#isElsewhere(vm, move)
    if (!isHere && !moves.some(({ to }) => to === from)) return false
    const concerned = this.#status.kind === 'failover' && !isHere ? moves.filter(({ to }) => to === from) : moves
    if (concerned.length === 0) return false
    const ended = Promise.all(concerned.map(({ id }) => this.#world.done(id))).then(
      () => void this.#awaited.delete(name),
    )
    this.#awaited.set(name, ended)
    // One that is aborted meanwhile waits for it no more.
    ended.catch(() => {})
    if (this.#status.kind === 'failover') for (const { id } of concerned) this.#world.abort(id)
    return true
  }

  /** Before it ends: whether there are VMs at the host that nobody has reckoned with. */
  #lookAgain(): boolean {
    const { host, moves } = this.#status
    if (host === undefined) return false
    const told = new Set(moves.flatMap(({ vm, state }) => (state === 'failed' ? vm : [])))
    const more = this.#world.vmsAt(host).filter(({ name }) => !told.has(name))
    const names = new Set(more.map(({ name }) => name))
    if (more.length === 0) return false
    const waiting = more.map(({ name }): RelocatedVm => ({ vm: name, from: host, state: 'waiting' }))
    this.#note({ moves: [...moves.filter(({ vm }) => !names.has(vm)), ...waiting] })
    return true
  }

  /** Somebody has moved it meanwhile. One that was given its new place here may not have begun there. */
  #isElsewhere({ host }: Vm, { from, at }: RelocatedVm): boolean {
    return host !== from && host !== at
  }

  #settleElsewhere(index: number, vm: Vm): void {
    const { to, from } = this.#status.moves[index]!
    if (vm.host === to || this.#status.kind !== 'rebalance') this.#set(index, { state: 'done', to: vm.host })
    else this.#set(index, { state: 'failed', problem: `it is at ${vm.host} by now, and not at ${from}` })
  }

  #destinationOf(occupancy: Occupancy, vm: Vm, { from, to, at, tried = [] }: RelocatedVm): string | undefined {
    if (to !== undefined && !tried.includes(to) && occupancy.whyNot(vm, vm.host, to) === undefined) return to
    if (this.#status.kind === 'rebalance') return undefined
    const other = occupancy.leastBusyFor(vm, vm.host, [...tried, from])
    if (other !== undefined || at === undefined) return other
    return occupancy.whyNot(vm, at, at) === undefined ? at : undefined
  }

  #whyNot(occupancy: Occupancy, vm: Vm, { from, to, problem }: RelocatedVm): string {
    if (problem !== undefined) return problem
    if (this.#status.kind === 'rebalance' && to !== undefined) return occupancy.whyNot(vm, from, to)!
    return whyNowhere(occupancy, vm, from)
  }

  #begin(index: number, { name }: Vm, to: string): Promise<void> {
    if (this.#status.kind === 'failover') return this.#restart(index, name, to)
    try {
      const migration = this.#world.start(name, to)
      this.#set(index, { state: 'moving', to, migration })
      return this.#follow(index, migration)
    } catch (error) {
      if (!(error instanceof Conflict || error instanceof NotFound)) throw error
      this.#failed(index, to, error.message)
      return Promise.resolve()
    }
  }

  async #restart(index: number, vm: string, to: string): Promise<void> {
    this.#set(index, { state: 'moving', to })
    let endWait = () => {}
    const noMore = new Promise<void>((resolve) => (endWait = resolve))
    const request = {
      to,
      given: (at: string) => this.#set(index, { at }),
      waits: (problem: string | undefined) => this.#hold(index, problem, endWait),
      aborted: Promise.race([this.#whenAborted, noMore]),
    }
    try {
      await this.#world.restart(vm, request)
      this.#set(index, { state: 'done', restartedAt: this.#world.now() })
    } catch (error) {
      this.#failed(index, to, textOf(error))
    }
  }

  #hold(index: number, problem: string | undefined, endWait: () => void): void {
    const { vm } = this.#status.moves[index]!
    if (problem === undefined) this.#held.delete(vm)
    else this.#held.set(vm, endWait)
    this.#set(index, problem === undefined ? {} : { problem })
    this.#tellHeld()
  }

  async #follow(index: number, migration: string): Promise<void> {
    const { state, to, problem = 'no reason is known' } = await this.#world.done(migration)
    if (state === 'done') this.#set(index, { state: 'done' })
    else this.#failed(index, to, problem)
  }

  /** Another host may do, where any will. */
  #failed(index: number, to: string, problem: string): void {
    const tried = [...(this.#status.moves[index]!.tried ?? []), to]
    const again = this.#status.kind !== 'rebalance' && tried.length < TRIES && !this.#aborted
    this.#set(index, { state: again ? 'waiting' : 'failed', problem, tried })
  }

  #set(index: number, change: Partial<RelocatedVm>): void {
    const { problem: _before, ...move } = this.#status.moves[index]!
    const moves = this.#status.moves.with(index, { ...move, ...change })
    // What follows was to better what is not so now: it might make it worse.
    const isOver = change.state === 'failed' && this.#status.kind === 'rebalance'
    this.#note({ moves: isOver ? moves.map(givenUp) : moves })
  }

  #end(): void {
    const moves = this.#status.moves.map((move) =>
      move.state === 'waiting' ? { ...move, state: 'failed' as const, problem: 'aborted on request' } : move,
    )
    const failed = moves.some(({ state }) => state === 'failed')
    const state = this.#aborted ? 'aborted' : failed ? 'failed' : 'done'
    const hosts = new Map(this.#world.occupancy().topology.vms.map(({ name, host }) => [name, host]))
    const told = moves.map((move) =>
      move.state === 'failed' && hosts.has(move.vm) ? { ...move, at: hosts.get(move.vm)! } : move,
    )
    this.#note({ moves: told, state, endedAt: this.#world.now() })
  }

  #note(change: Partial<RelocationStatus>): void {
    this.#status = { ...this.#status, ...change }
    this.#world.note(this.#status)
  }
}

const givenUp = (move: RelocatedVm): RelocatedVm =>
  move.state === 'waiting' ? { ...move, state: 'failed', problem: 'a move before it failed; plan anew' } : move
