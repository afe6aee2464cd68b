// A log that keeps what it is told, as the program would write it.

import { openLog } from '../../cli/log.ts'
import type { LogFlags } from '../../cli/log.ts'
import type { Log } from '../../runtime/log.ts'

export interface TestLog extends Log {
  /** What would have been written, oldest first. */
  readonly lines: string[]
}

export async function testLog(flags: Partial<LogFlags> = {}): Promise<TestLog> {
  const lines: string[] = []
  const log = await openLog({ logFormat: 'json', logLevel: 'debug', ...flags }, (line) => lines.push(line))
  return Object.assign(log, { lines })
}
