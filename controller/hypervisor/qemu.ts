// QEMU as the hypervisor of a migration: it carries the guest over while the guest runs, stops it before the last of it goes
// (pause-before-switchover), waits until its network has moved, and goes on at the destination. Nothing is remembered from step to
// step: each asks QEMU how far it is, so that one controller may finish, or take back, what another has begun.

import type { Clock } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { parseEndpoint } from '../../runtime/endpoint.ts'
import type { Channel } from '../../runtime/transport.ts'
import type { GuestMove, Hypervisor } from '../model.ts'
import { waitFor } from '../../runtime/waiting.ts'
import type { GuestPlace } from './guest-place.ts'
import { Qmp } from './qmp.ts'

export interface QemuOptions {
  clock: Clock
  /** Reaches QEMU's monitor. Rejects where nobody is there. */
  dial: (endpoint: Endpoint, signal: AbortSignal) => Promise<Channel>
  /** What is known of the QEMU that has the VM, or will have it, at a host. */
  placeOf: (vm: string, host: string) => GuestPlace | undefined
}

/** How long QEMU has to be reached, and to greet. */
const PATIENCE = 5 * SECOND
/** How long it has to carry over what is left of a guest that stands still, and to take that back; it may answer nothing in the meantime. */
const LONGEST_END = 30 * SECOND
/** After how long it is asked again where it has said nothing. */
const AGAIN = 50 * MILLISECOND

interface Migrating {
  status?: string
  'error-desc'?: string
}

/** Of `query-migrate`: nothing is on its way any more. */
const ENDED: ReadonlySet<string> = new Set(['none', 'completed', 'cancelled', 'failed'])

export class Qemu implements Hypervisor {
  readonly #options: QemuOptions

  constructor(options: QemuOptions) {
    this.#options = options
  }

  async pause(vm: string, { from, to, aborted }: GuestMove): Promise<void> {
    const [source, destination] = [from, to].map((host) => this.#options.placeOf(vm, host))
    if (source === undefined) return
    const { qmp = '', incoming: uri = '' } = destination ?? {}
    await this.#ask(qmp, async (monitor) => {
      const status = await statusOf(monitor)
      if (status !== 'inmigrate')
        throw new Error(`QEMU at ${qmp} waits for no guest, it is '${status}'; start it with -incoming ${uri}`)
    })
    await this.#ask(source.qmp, async (monitor) => {
      const capabilities = ['pause-before-switchover', 'events'].map((capability) => ({ capability, state: true }))
      await monitor.execute('migrate-set-capabilities', { capabilities })
      await monitor.execute('migrate', { uri })
      await this.#reach(monitor, 'pre-switchover', { aborted })
    })
  }

  async resume(vm: string, host: string, { from, to }: GuestMove): Promise<void> {
    const [source, destination] = [from, to].map((one) => this.#options.placeOf(vm, one)?.qmp)
    if (source === undefined) return
    if (host === from) return this.#ask(source, (monitor) => this.#takeBack(monitor))
    if (destination === undefined) throw new Error(`nobody has said which QEMU has ${vm} at ${to}`)
    if (await this.#ask(destination, async (monitor) => (await statusOf(monitor)) === 'running')) return
    await this.#ask(source, async (monitor) => {
      const { status } = (await monitor.execute('query-migrate')) as Migrating
      if (status === 'pre-switchover') await monitor.execute('migrate-continue', { state: status })
      await this.#reach(monitor, 'completed', { within: LONGEST_END })
    })
    await this.#ask(destination, (monitor) => this.#run(monitor))
  }

  /** A QEMU that was started for the guest, and not to wait for one that moves in, is let run. Where none is known, somebody else sees to it. */
  async restart(vm: string, host: string): Promise<void> {
    const place = this.#options.placeOf(vm, host)
    if (place === undefined) return
    await this.#ask(place.qmp, async (monitor) => {
      const waits = (await statusOf(monitor)) === 'inmigrate'
      if (waits) throw new Error(`QEMU at ${place.qmp} waits for a guest to move in; start one with its disk`)
      await this.#run(monitor)
    })
  }

  /** The guest goes on where it has been. */
  async #takeBack(monitor: Qmp): Promise<void> {
    const { status = 'none' } = (await monitor.execute('query-migrate')) as Migrating
    if (!ENDED.has(status)) {
      await monitor.execute('migrate_cancel')
      await this.#until(monitor, LONGEST_END, async () => {
        const now = (await monitor.execute('query-migrate')) as Migrating
        return ENDED.has(now.status ?? 'none')
      })
    }
    await this.#run(monitor)
  }

  /** The guest runs. Rejects where it has gone to another QEMU. */
  async #run(monitor: Qmp): Promise<void> {
    await this.#until(monitor, LONGEST_END, async () => {
      const status = await statusOf(monitor)
      if (status === 'running') return true
      if (status === 'postmigrate') throw new Error('QEMU has moved the guest already')
      if (status === 'paused' || status === 'prelaunch') await monitor.execute('cont')
      return false
    })
  }

  /** Resolves when the migration has this status. Rejects where it ends otherwise, or is no longer wanted. */
  async #reach(
    monitor: Qmp,
    wanted: string,
    { aborted, within = Infinity }: { aborted?: Promise<void>; within?: number },
  ): Promise<void> {
    let isAborted = false
    void aborted?.then(() => (isAborted = true))
    await this.#until(
      monitor,
      within,
      async () => {
        const { status = 'none', 'error-desc': why } = (await monitor.execute('query-migrate')) as Migrating
        if (status === wanted) return true
        if (ENDED.has(status)) throw new Error(`QEMU's migration has ended as '${status}'${why ? `: ${why}` : ''}`)
        if (isAborted) throw new Error('given up on request')
        return false
      },
      aborted,
    )
  }

  /** Asks again with each event, and now and then. */
  async #until(monitor: Qmp, span: number, holds: () => Promise<boolean>, sooner?: Promise<void>): Promise<void> {
    const { clock } = this.#options
    const end = clock.now() + span
    for (let waits: Promise<unknown> = monitor.news; !(await holds()); waits = monitor.news) {
      if (clock.now() > end) throw new Error(`QEMU did not come to an end within ${span / SECOND} s`)
      await waitFor(sooner === undefined ? waits : Promise.race([waits, sooner]), AGAIN, clock)
    }
  }

  /** One conversation: QEMU has one at a time. */
  async #ask<T>(qmp: string, work: (monitor: Qmp) => Promise<T>): Promise<T> {
    const { clock, dial } = this.#options
    const attempt = new AbortController()
    let channel: Channel | undefined
    const timer = clock.scheduleAsync(clock.now() + PATIENCE, () => {
      attempt.abort()
      channel?.close()
    })
    let monitor: Qmp
    try {
      channel = await dial(parseEndpoint(qmp), attempt.signal)
      monitor = await Qmp.greet(channel, { clock, patience: LONGEST_END })
    } catch (error) {
      const busy = channel === undefined ? '' : '; does somebody else speak with it?'
      throw new Error(`no QEMU answers at ${qmp}: ${(error as Error).message}${busy}`, { cause: error })
    } finally {
      timer.cancel()
    }
    try {
      return await work(monitor)
    } finally {
      monitor.close()
    }
  }
}

const statusOf = async (monitor: Qmp): Promise<string> =>
  ((await monitor.execute('query-status')) as { status: string }).status
