import type { Flow } from '../flow.ts'
import type { FlowTable } from '../flow-table.ts'

/** A look-up in a table, and what was found. */
export interface TableLookup {
  readonly table: FlowTable
  readonly number: number
  readonly flow: Flow | undefined
  /**
   * Where the key was another than the frame's own: threes of a word, what was in it, and the bits of it that had been changed. Most
   * are the same for many, and one array.
   */
  readonly written: readonly number[]
}

/** How many numbers make up one word of `written`. */
export const WRITTEN = 3

/** What an answer of the pipeline was made from, beside the key. */
export interface Dependencies {
  readonly lookups: readonly TableLookup[]
  readonly ports: readonly number[]
  /** Every port, and those that may come. */
  readonly onAllPorts: boolean
  readonly groups: readonly number[]
  /** As `addressName` has them. */
  readonly addresses: readonly number[]
  /** Something that is not watched: the answer is good for one frame. */
  readonly unforeseeable: boolean
}

/** An address in a VLAN as one number, which two may share. */
export const addressName = (vlan: number, mac: number): number => vlan * 2 ** 40 + mac
