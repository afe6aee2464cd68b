import type { MigrationStatus, RelocationStatus } from '../controller/model.ts'
import type { MoveBudget, MoveEnd } from '../topologies/scenario.ts'
import type { PingResult } from '../datapath/emulator/ping.ts'

/** All that a run gathers beside the judge's records. */
export interface RunLog {
  pings: { result: PingResult; expected: 'reachable' | 'unreachable' }[]
  migrations: { status: MigrationStatus; budget: MoveBudget | undefined; expected?: MoveEnd | undefined }[]
  /** `since`: when the host of a failover failed. */
  relocations: { status: RelocationStatus; since?: number | undefined }[]
  problems: string[]
  damaged: string[]
  unmapped: Map<string, number>
}
