import { describe, expect, test } from 'vitest'
import { flowMod, testSwitch } from '../support/test-switch.ts'

const frame = Buffer.from(
  '02000000000202000000000108004500001c00000000401100000a0000010a00000200010002000800000000',
  'hex',
)
const hex = frame.toString('hex')

describe('a switch', () => {
  test('sends a frame out of the port that a flow names', () => {
    const { sw, arena, receive } = testSwitch([{}, {}])
    sw.tables.applyBundle([
      flowMod({ instructions: { apply: [{ type: 'output', port: 2 }], clear: false, write: [] } }),
    ])
    expect(receive(frame, 1)).toEqual([`2: ${hex}`])
    expect(arena.live).toBe(0)
  })

  test('without a flow drops as a table miss', () => {
    const { receive, arena } = testSwitch([{}])
    expect(receive(frame, 1)).toEqual(['drop table_miss'])
    expect(arena.live).toBe(0)
  })
})
