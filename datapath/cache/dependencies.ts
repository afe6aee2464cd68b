// What an answer of the pipeline was made from, beside the key: the flows that were looked up, the ports, groups and addresses
// that were asked about. The pipeline knows nothing of it: it is given these witnesses in the place of the switch's own tables.

import type { FragmentHandling } from '../../protocols/control/messages.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { FlowTable } from '../flow-table.ts'
import type { Group } from '../groups.ts'
import { lastingCopyOfWords } from '../key-words.ts'
import type { PipelineContext } from '../pipeline/walk.ts'
import type { Port } from '../ports.ts'

/** A key that was looked up in a table, as it was then, and what was found. */
export interface TableLookup {
  readonly table: FlowTable
  readonly number: number
  readonly key: FlowKey
  readonly flow: Flow | undefined
}

export class Dependencies {
  readonly lookups: TableLookup[] = []
  readonly ports: number[] = []
  /** Every port, and those that may come. */
  onAllPorts = false
  readonly groups: number[] = []
  /** As `addressName` has them. */
  readonly addresses: number[] = []
  /** Something that is not watched: the answer is good for one frame. */
  unforeseeable = false
}

/** An address in a VLAN as one number, which two may share. */
export const addressName = (vlan: number, mac: number): number => vlan * 2 ** 40 + mac

/** The switch's own tables, watched while the pipeline uses them. */
export class Witness implements PipelineContext {
  #noted = new Dependencies()
  #lastCopy = new Uint32Array(KEY_WORDS)
  readonly #context: PipelineContext
  readonly #tables = new Map<number, Pick<FlowTable, 'lookup'>>()

  constructor(context: PipelineContext) {
    this.#context = context
  }

  /** What was noted since this was asked last. */
  taken(): Dependencies {
    const taken = this.#noted
    this.#noted = new Dependencies()
    return taken
  }

  /** A copy of the key: the last one, where it is the same. Most keys are looked up as they came. */
  copyOf(key: FlowKey): FlowKey {
    const last = this.#lastCopy
    for (let word = 0; word < KEY_WORDS; word++)
      if (key[word] !== last[word]) return (this.#lastCopy = lastingCopyOfWords(key))
    return last
  }

  get fragments(): FragmentHandling {
    return this.#context.fragments
  }

  get standalone(): boolean {
    return this.#context.standalone
  }

  readonly ports: PipelineContext['ports'] = {
    byNumber: (number) => {
      this.#noted.ports.push(number)
      return this.#context.ports.byNumber(number)
    },
    [Symbol.iterator]: (): Iterator<Port> => {
      this.#noted.onAllPorts = true
      return this.#context.ports[Symbol.iterator]()
    },
  }

  readonly groups: PipelineContext['groups'] = {
    get: (number): Group | undefined => {
      this.#noted.groups.push(number)
      return this.#context.groups.get(number)
    },
  }

  readonly macTable: PipelineContext['macTable'] = {
    lookup: (vlan: number, mac: number, now: Nanoseconds) => {
      this.#noted.addresses.push(addressName(vlan, mac))
      return this.#context.macTable.lookup(vlan, mac, now)
    },
  }

  readonly tables: PipelineContext['tables'] = {
    table: (number) => this.#tables.get(number) ?? this.#watch(number),
    missOf: (number) => this.#context.tables.missOf(number),
    mayLearn: (table, cookie, limit) => {
      if (limit > 0) this.#noted.unforeseeable = true
      return this.#context.tables.mayLearn(table, cookie, limit)
    },
  }

  #watch(number: number): Pick<FlowTable, 'lookup'> {
    const table = this.#context.tables.table(number) as FlowTable
    const watched = {
      lookup: (key: FlowKey, consulted: Uint32Array) => {
        const flow = table.lookup(key, consulted)
        this.#noted.lookups.push({ table, number, key: this.copyOf(key), flow })
        return flow
      },
    }
    this.#tables.set(number, watched)
    return watched
  }
}
