// The pipeline's own tables, watched while it answers: which flows it looked up, which ports, groups and addresses it asked about. The
// pipeline knows nothing of it: it is given this witness in the place of the switch's own tables.

import type { FragmentHandling } from '../../protocols/control/messages.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { FlowKey } from '../flow-key.ts'
import type { FlowTable } from '../flow-table.ts'
import type { Group } from '../groups.ts'
import type { Effect } from '../pipeline/effects.ts'
import type { TranslationRoom } from '../pipeline/translation.ts'
import type { PipelineContext } from '../pipeline/walk.ts'
import type { Port } from '../port.ts'
import type { Dependencies, TableLookup } from './dependencies.ts'
import { WRITTEN, addressName } from './dependencies.ts'
import { exactly } from './exactly.ts'

/** Where what was written is gathered. */
const WRITING = new Int32Array(WRITTEN * KEY_WORDS)

/** The switch's own tables, watched while the pipeline uses them. */
export class Witness implements PipelineContext {
  readonly room: TranslationRoom = { key: new Uint32Array(KEY_WORDS), consulted: new Uint32Array(KEY_WORDS) }
  readonly #noted = {
    lookups: [] as TableLookup[],
    ports: [] as number[],
    groups: [] as number[],
    addresses: [] as number[],
    onAllPorts: false,
    unforeseeable: false,
  }
  /** That of the frame. */
  #key: FlowKey = this.room.key
  #lastWritten: readonly number[] = []
  readonly #context: PipelineContext
  readonly #tables = new Map<number, Pick<FlowTable, 'lookup'>>()

  constructor(context: PipelineContext) {
    this.#context = context
  }

  /** From here on it is about a frame with this key, which must not change meanwhile. */
  begin(key: FlowKey): void {
    const noted = this.#noted
    this.#key = key
    noted.lookups.length = noted.ports.length = noted.groups.length = noted.addresses.length = 0
    noted.onAllPorts = noted.unforeseeable = false
  }

  /** What was noted since. */
  noted(effects: readonly Effect[]): Dependencies {
    const { lookups, ports, groups, addresses, onAllPorts, unforeseeable } = this.#noted
    for (const effect of effects)
      if (effect.type === 'learn_address') addresses.push(addressName(effect.vlan, effect.mac))
    return {
      lookups: exactly(lookups),
      ports: exactly(ports),
      groups: exactly(groups),
      addresses: exactly(addresses),
      onAllPorts,
      unforeseeable,
    }
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

  #writtenTo(key: FlowKey): readonly number[] {
    let count = 0
    for (let word = 0; word < KEY_WORDS; word++) {
      const changed = key[word] ^ this.#key[word]
      if (changed === 0) continue
      WRITING[count++] = word
      WRITING[count++] = key[word] | 0
      WRITING[count++] = changed
    }
    const last = this.#lastWritten
    let same = count === last.length
    for (let index = 0; same && index < count; index++) same = last[index] === WRITING[index]
    return same ? last : (this.#lastWritten = [...WRITING.subarray(0, count)])
  }

  #watch(number: number): Pick<FlowTable, 'lookup'> {
    const table = this.#context.tables.table(number) as FlowTable
    const watched = {
      lookup: (key: FlowKey, consulted: Uint32Array) => {
        const flow = table.lookup(key, consulted)
        this.#noted.lookups.push({ table, number, flow, written: this.#writtenTo(key) })
        return flow
      },
    }
    this.#tables.set(number, watched)
    return watched
  }
}
