// A frame that no user's flow matches goes on to the controller's plan, from whichever user table it is in.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import { LAST_USER_TABLE, Table } from '../tables.ts'
import type { App } from './app.ts'
import { writerFor } from './flow.ts'

const flow = writerFor('user_tables')

const MISSES: readonly FlowSpec[] = Array.from({ length: LAST_USER_TABLE + 1 }, (_, table) =>
  flow({ table, priority: 0, match: [], goto: Table.Classify }),
)

export const userTables: App = { always: MISSES }
