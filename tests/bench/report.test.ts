import { describe, expect, test } from 'vitest'
import { rowOf, spreadOf } from '../../bench/measure.ts'
import { jsonOf, tableOf } from '../../bench/report.ts'

describe('a row', () => {
  test('has the median, whatever the order, and the mean of the middle two of an even number', () => {
    expect(spreadOf([5, 1, 100])).toEqual({ median: 5, min: 1, max: 100 })
    expect(spreadOf([4, 1, 100, 10])).toEqual({ median: 7, min: 1, max: 100 })
    expect(() => spreadOf([])).toThrow(RangeError)
  })

  const rows = [rowOf('push', 'Mpps', [12, 10, 30, 11, 13], [8, 6, 9, 4, 5]), rowOf('memory', 'bytes', [1234])]

  test('is written with the ratio of the medians, and with null where there is no peer', () => {
    expect(JSON.parse(jsonOf(rows))).toEqual({
      rows: [
        {
          name: 'push',
          unit: 'Mpps',
          ours: 12,
          peer: 6,
          ratio: 2,
          min: 10,
          max: 30,
          peerMin: 4,
          peerMax: 9,
          runs: 5,
        },
        {
          name: 'memory',
          unit: 'bytes',
          ours: 1234,
          peer: null,
          ratio: null,
          min: 1234,
          max: 1234,
          peerMin: null,
          peerMax: null,
          runs: 1,
        },
      ],
    })
  })

  test('stands in the table, which has columns for the peer only where there is one', () => {
    const [, head, , push] = tableOf(rows).split('\n')
    expect(cells(head)).toEqual(['what', 'unit', 'ours', 'min', 'max', 'Open vSwitch', 'min', 'max', 'ratio', 'runs'])
    expect(cells(push)).toEqual(['push', 'Mpps', '12.0', '10.0', '30.0', '6.00', '4.00', '9.00', '2.00', '5'])
    expect(cells(tableOf(rows, 'ovn').split('\n')[1])[5]).toBe('Open Virtual Network')
    const [, alone, , memory] = tableOf(rows.slice(1)).split('\n')
    expect(cells(alone)).toEqual(['what', 'unit', 'ours', 'min', 'max', 'runs'])
    expect(cells(memory)).toEqual(['memory', 'bytes', '1,234', '1,234', '1,234', '1'])
  })
})

const cells = (line = '') =>
  line
    .split('│')
    .slice(1, -1)
    .map((cell) => cell.trim())
