import type { MigrationStatus } from '../controller/model.ts'
import type { PingResult } from '../datapath/emulator/ping.ts'

/** All that a run gathers beside the judge's records. */
export interface RunLog {
  pings: { result: PingResult; expected: 'reachable' | 'unreachable' }[]
  migrations: MigrationStatus[]
  problems: string[]
  damaged: string[]
  unmapped: Map<string, number>
}
