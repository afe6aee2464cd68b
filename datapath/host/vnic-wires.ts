// The wires of a host's vNICs: made as the controller says, tried again while they can't be, and gone when it says so.

import type { VnicWire, WireStatus } from '../../protocols/control/messages.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { parseWire } from '../../runtime/wires/parse.ts'
import type { Wire } from '../../runtime/wires/wire.ts'
import { textOf } from '../../runtime/error-text.ts'

/** After how long a wire that could not be made is tried again. */
const AGAIN = 2 * SECOND

export interface VnicWiresOptions {
  clock: Clock
  /** A frame that comes in at the vNIC. The bytes are the receiver's only until it returns. */
  received: (vnic: string, bytes: Uint8Array) => void
  /** What `status` says of the vNIC has changed. */
  changed: (vnic: string) => void
  log: (line: string) => void
  /** Told what is wrong. */
  warn: (line: string) => void
}

interface Plugged {
  text: string
  wire?: Wire
  /** While it is being made. */
  opening?: Promise<void> | undefined
  problem: string
}

export class VnicWires {
  readonly #options: VnicWiresOptions
  readonly #plugged = new Map<string, Plugged>()
  #again: Timer | undefined

  constructor(options: VnicWiresOptions) {
    this.#options = options
  }

  /** Where frames for the vNIC go, if they do. */
  get(vnic: string): Wire | undefined {
    return this.#plugged.get(vnic)?.wire
  }

  /** Makes them these; resolves when each is there, or is known not to be. One that stays keeps what is on it. */
  async set(wanted: readonly VnicWire[]): Promise<void> {
    const wires = new Map(wanted.map(({ vnic, wire }) => [vnic, wire]))
    const gone = [...this.#plugged].filter(([vnic, { text }]) => wires.get(vnic) !== text)
    // A wire may go from one vNIC to another: first it has to be free.
    await Promise.all(gone.map(([vnic]) => this.#unplug(vnic)))
    const added = [...wires].filter(([vnic]) => !this.#plugged.has(vnic))
    for (const [vnic, text] of added) this.#plugged.set(vnic, { text, problem: 'is being made' })
    await this.#openAll()
  }

  status(): WireStatus[] {
    return [...this.#plugged].map(([vnic, { text, wire, problem }]) => ({
      vnic,
      wire: text,
      made: wire !== undefined,
      connected: wire?.connected ?? false,
      problem: wire?.problem ?? problem,
    }))
  }

  async close(): Promise<void> {
    this.#again?.cancel()
    await Promise.all([...this.#plugged.keys()].map((vnic) => this.#unplug(vnic)))
  }

  async #openAll(): Promise<void> {
    const missing = [...this.#plugged].filter(([, { wire }]) => wire === undefined)
    await Promise.all(missing.map(([vnic, plugged]) => this.#openOnce(vnic, plugged)))
    this.#again?.cancel()
    this.#again = undefined
    if (![...this.#plugged.values()].some(({ wire }) => wire === undefined)) return
    const { clock } = this.#options
    this.#again = clock.scheduleAsync(clock.now() + AGAIN, () => void this.#openAll())
  }

  /** A wire that is tried again may be asked for meanwhile. */
  #openOnce(vnic: string, plugged: Plugged): Promise<void> {
    plugged.opening ??= this.#open(vnic, plugged).finally(() => (plugged.opening = undefined))
    return plugged.opening
  }

  async #open(vnic: string, plugged: Plugged): Promise<void> {
    const { received, changed, log, warn } = this.#options
    const before = plugged.problem
    try {
      const wire = await openWire(parseWire(plugged.text), (bytes) => received(vnic, bytes), {
        log: (line) => log(`${vnic}: ${line}`),
        warn: (line) => warn(`${vnic}: ${line}`),
      })
      if (this.#plugged.get(vnic) !== plugged) return await wire.close()
      plugged.wire = wire
      plugged.problem = ''
      wire.onLink = () => changed(vnic)
    } catch (error) {
      plugged.problem = textOf(error)
    }
    if (plugged.problem === before) return
    if (plugged.problem === '') log(`${vnic}: ${plugged.text} is there`)
    else warn(`${vnic}: ${plugged.text}: ${plugged.problem}`)
    changed(vnic)
  }

  async #unplug(vnic: string): Promise<void> {
    const wire = this.get(vnic)
    this.#plugged.delete(vnic)
    if (wire !== undefined) this.#options.changed(vnic)
    await wire?.close()
  }
}
