import { describe, expect, test } from 'vitest'
import { FedSwitch } from '../../bench/fast-path/fed-switch.ts'
import { countsOf } from '../../bench/fast-path/ovs-dpdk.ts'
import { PIPELINES, type Pipeline } from '../../bench/fast-path/pipelines.ts'
import { coresOf } from '../../bench/fast-path/processor.ts'
import { exactRules } from '../../bench/fast-path/rules.ts'
import { FRAME_SIZE, makeTraffic, pcapOf, type Traffic } from '../../bench/fast-path/traffic.ts'
import { readCapture } from '../../protocols/capture/capture.ts'
import { VXLAN_OVERHEAD } from '../../datapath/tunnels/outer-headers.ts'
import { hex } from '../support/pipeline-bench.ts'

const FLOWS = 600
const VLAN_TAG = 4

/** As it is measured, with no more flows than a test has time for. */
const fewer = (pipeline: Pipeline): Pipeline => ({
  ...pipeline,
  traffic: { ...pipeline.traffic, tuples: Math.min(pipeline.traffic.tuples, FLOWS) },
  ...(pipeline.name.includes('exact') && { flows: () => exactRules(FLOWS) }),
})

const framesIn = ({ words, start, stride, length, frames }: Traffic) =>
  Array.from({ length: frames }, (_, index) => {
    const from = start + index * stride
    return hex(new Uint8Array(words.buffer).subarray(from, from + length))
  })

describe('what both switches are fed', () => {
  test.each([{ tuples: FLOWS }, { tuples: FLOWS, vlan: 100 }])(
    '%j: frames of 64 octets, each of another flow, in no order',
    (options) => {
      const frames = framesIn(makeTraffic(options))
      expect(frames.every((frame) => frame.length === FRAME_SIZE * 2)).toBe(true)
      expect(new Set(frames).size).toBe(FLOWS)
      expect(frames).not.toEqual([...frames].sort())
      expect(framesIn(makeTraffic(options))).toEqual(frames)
    },
  )

  test.each([{ tuples: 1 }, { tuples: FLOWS }, { tuples: FLOWS, tunnelled: true }])(
    '%j: the capture has the same frames in the same order',
    async (options) => {
      const traffic = makeTraffic(options)
      const read: string[] = []
      const file = (async function* () {
        yield pcapOf(traffic)
      })()
      for await (const frames of readCapture(file)) for (const { bytes } of frames) read.push(hex(bytes))
      expect(read).toEqual(framesIn(traffic))
    },
  )
})

describe('our switch, fed', () => {
  const changes: Readonly<Record<string, number>> = {
    'push VLAN': VLAN_TAG,
    'pop VLAN': -VLAN_TAG,
    'VXLAN encapsulation': VXLAN_OVERHEAD,
    'VXLAN decapsulation': -VXLAN_OVERHEAD,
  }

  test.each(PIPELINES.map((pipeline) => [pipeline.name, fewer(pipeline)] as const))(
    '%s: every frame leaves, done to what is to be done, also from the cache',
    (name, pipeline) => {
      const traffic = makeTraffic(pipeline.traffic)
      const fed = new FedSwitch(pipeline, traffic)
      const [, change] = Object.entries(changes).find(([action]) => name.startsWith(action)) ?? ['', 0]
      for (let time = 1; time <= 3; time++) {
        fed.feedAll()
        expect(fed.sent).toBe(time * traffic.frames)
        expect(bytesSent(fed)).toBe(fed.sent * (traffic.length + change))
      }
      const { miss, only, microflow, megaflow } = fed.bridge.cache.statistics
      expect(miss + only + microflow + megaflow).toBeGreaterThanOrEqual(fed.sent)
      expect(miss).toBeLessThanOrEqual(traffic.frames + 1)
      expect(fed.bridge.arena.live).toBe(0)
    },
  )

  test('of overlapping rules many are hit, of the others none but the last', () => {
    expect(rulesHit('overlapping ACL rules hit, 100 k', 10_000)).toBeGreaterThan(20)
    expect(rulesHit('ACL rules not hit, 100 k', FLOWS)).toBe(1)
  })
})

/** The receiver's greeting, where there was one, went out at port 1. */
function bytesSent({ bridge }: FedSwitch): number {
  return [2, 10].reduce((bytes, port) => bytes + (bridge.ports.byNumber(port)?.counters.sentBytes ?? 0), 0)
}

function rulesHit(name: string, tuples: number): number {
  const pipeline = PIPELINES.find((candidate) => candidate.name.includes(name))!
  const fed = new FedSwitch({ ...pipeline, traffic: { tuples } })
  fed.feedAll()
  fed.bridge.cache.tell()
  return [...fed.bridge.tables].filter(({ packets }) => packets > 0).length
}

describe('what the system and the other switch say', () => {
  test('cores', () => {
    expect(coresOf('0')).toEqual([0])
    expect(coresOf('0-1')).toEqual([0, 1])
    expect(coresOf('1,4-6,9')).toEqual([1, 4, 5, 6, 9])
  })

  const port = (number: number, name: string, received: number, sent: number) =>
    [
      `  port ${number}: ${name} (dpdk: configured_rx_queues=1)`,
      `    RX packets:${received} errors:0 dropped:? overruns:? frame:?`,
      `    TX packets:${sent} errors:0 dropped:0 aborted:? carrier:?`,
      '    collisions:?',
      '    RX bytes:9 (9.0 B)  TX bytes:8 (8.0 B)',
    ].join('\n')

  test('frames new to the caches, and of the two ports, whichever comes first', () => {
    const all = '  lookups: hit:3 missed:2 lost:1\n  flows: 12\n'
    const ports = [port(1, 'p10', 1, 2), port(2, 'p1', 3, 4), port(3, 'br0', 5, 6), port(4, 'p0', 7, 8)]
    expect(countsOf(all + ports.join('\n'))).toEqual({ missed: 2, received: 7, sent: 4 })
    expect(countsOf(all + ports.reverse().join('\n'))).toEqual({ missed: 2, received: 7, sent: 4 })
    expect(() => countsOf(all + port(1, 'p0', 1, 2))).toThrow('does not say')
  })
})
