// Flow tables with nothing around them but a clock that stands still until it is told to run.

import type { FlowChange } from '../../datapath/flow-tables.ts'
import { FlowTables } from '../../datapath/flow-tables.ts'
import type { Flow } from '../../datapath/flow.ts'
import type { FlowMod, RemovalReason } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

export interface TestTables {
  tables: FlowTables
  clock: VirtualClock
  /** By cookie, what went and why, since this was last asked. */
  gone(): [bigint, RemovalReason][]
  /** What listeners heard since this was last asked. */
  changes(): FlowChange[]
  apply(...mods: Partial<FlowMod>[]): void
  /** Undefined where the mods were carried out. */
  refusal(...mods: Partial<FlowMod>[]): { code: string; field: string } | undefined
  /** Cookies, ascending. */
  cookies(): bigint[]
  withCookie(cookie: bigint): Flow
  /** As though a frame of 60 bytes had met the flow now. */
  use(cookie: bigint): void
}

export function testTables({ maxFlows = 1000, meters = [] as number[], groups = [] as number[] } = {}): TestTables {
  const clock = new VirtualClock()
  const removed: [bigint, RemovalReason][] = []
  const heard: FlowChange[] = []
  const tables = new FlowTables({
    clock,
    maxFlows,
    meterExists: (meter) => meters.includes(meter),
    groupExists: (group) => groups.includes(group),
    removed: (flow, reason) => void removed.push([flow.spec.cookie, reason]),
  })
  tables.listen((changes) => void heard.push(...changes))
  const apply = (...mods: Partial<FlowMod>[]) => tables.applyBundle(mods.map(flowMod))
  const withCookie = (cookie: bigint) => {
    const found = [...tables].find((flow) => flow.spec.cookie === cookie)
    if (found === undefined) throw new Error(`there is no flow of cookie ${cookie}`)
    return found
  }
  return {
    tables,
    clock,
    gone: () => removed.splice(0),
    changes: () => heard.splice(0),
    apply,
    refusal: (...mods) => refusalOf(() => apply(...mods)),
    cookies: () => [...tables].map(({ spec }) => spec.cookie).sort((a, b) => Number(a - b)),
    withCookie,
    use(cookie) {
      const flow = withCookie(cookie)
      flow.packets++
      flow.bytes += 60
      flow.usedAt = clock.now()
    },
  }
}

export function refusalOf(action: () => void): { code: string; field: string } | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { code: error.code, field: error.field }
  }
}

/** An `add` of table 0 and priority 1 that matches all and does nothing, but for what is given. */
export const flowMod = (given: Partial<FlowMod>): FlowMod => ({
  type: 'flowMod',
  command: 'add',
  table: 0,
  priority: 1,
  match: [],
  cookie: 0n,
  cookieMask: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  ...given,
  instructions: { apply: [], clear: false, write: [], ...given.instructions },
})
