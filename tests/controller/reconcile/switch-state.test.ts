import { expect, test } from 'vitest'
import { sameFlow } from '../../../controller/reconcile/switch-state.ts'
import type { Action, FlowSpec, Instructions } from '../../../protocols/control/messages.ts'

const setting = (value: bigint, mask?: bigint): Action => ({
  type: 'set_field',
  field: 'reg1',
  value,
  ...(mask === undefined ? {} : { mask }),
})

const FLOW: FlowSpec = {
  table: 1,
  priority: 2,
  match: [],
  cookie: 3n,
  idleTimeout: 4,
  hardTimeout: 5,
  flags: { sendFlowRemoved: true },
  instructions: {
    apply: [setting(1n), { type: 'output', port: 6 }],
    clear: false,
    write: [setting(2n, 0xffn)],
    meter: 7,
    writeMetadata: { value: 8n, mask: 9n },
    gotoTable: 10,
  },
}

const instructed = (others: Partial<Instructions>): FlowSpec => ({
  ...FLOW,
  instructions: { ...FLOW.instructions, ...others },
})

test('a flow does the same as one that is written the same', () => {
  expect(sameFlow(FLOW, structuredClone(FLOW))).toBe(true)
  expect(sameFlow(FLOW, { ...FLOW, flags: { sendFlowRemoved: true, resetCounts: true } })).toBe(true)
})

test.each<[string, FlowSpec]>([
  ['cookie', { ...FLOW, cookie: 4n }],
  ['idle timeout', { ...FLOW, idleTimeout: 5 }],
  ['hard timeout', { ...FLOW, hardTimeout: 6 }],
  ['word of its end', { ...FLOW, flags: {} }],
  ['meter', instructed({ meter: 8 })],
  ['clearing of actions', instructed({ clear: true })],
  ['table to go to', instructed({ gotoTable: 11 })],
  ['metadata', instructed({ writeMetadata: { value: 9n, mask: 9n } })],
  ['mask of metadata', instructed({ writeMetadata: { value: 8n, mask: 8n } })],
  ['value to set', instructed({ apply: [setting(2n), { type: 'output', port: 6 }] })],
  ['mask of what to set', instructed({ write: [setting(2n, 0xfn)] })],
  ['port to leave by', instructed({ apply: [setting(1n), { type: 'output', port: 7 }] })],
  ['number of actions', instructed({ apply: [setting(1n)] })],
])('one with another %s does something else', (_what, other) => {
  expect(sameFlow(FLOW, other)).toBe(false)
  expect(sameFlow(other, FLOW)).toBe(false)
})
