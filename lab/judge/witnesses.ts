// What is kept of frames that went wrong, for the report.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Record } from './open-records.ts'

export interface Witness {
  id: number
  source: string
  at: Nanoseconds
  from: string
  fromNetwork: string | undefined
  bytes: Uint8Array
}

export interface LeakWitness extends Witness {
  to: string
  toNetwork: string | undefined
  /** Where security groups forbid it: which, and what no rule of theirs allows. */
  why?: string
}

export interface LossWitness extends Witness {
  missed: string[]
  reason: string
  place: string
}

export const witness = (record: Record): Witness => ({
  id: record.id,
  source: record.number === 0 ? record.source : `${record.source}#${record.number}`,
  at: record.at,
  from: record.nic,
  fromNetwork: record.ruling.network,
  bytes: record.bytes,
})
