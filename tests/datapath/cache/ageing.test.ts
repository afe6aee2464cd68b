// What the cache keeps, and for how long.

import { expect, test } from 'vitest'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { flowMod, portConfig, testSwitch } from '../../support/test-switch.ts'

const frameTo = (dstPort: number) => udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 9, srcPort: 5, dstPort })

/** One flow for each UDP port, so that each makes a megaflow of its own. */
function switchOf(flows: number, more = '') {
  const made = testSwitch([{}, {}])
  for (let port = 0; port < flows; port++)
    made.sw.tables.applyBundle([flowMod(parseFlow(`udp,tp_dst=${port}${more},actions=2`))])
  return made
}

test('what is idle goes while frames of other flows come, none of them new', async () => {
  const { sw, clock, receive } = switchOf(200)
  for (let port = 0; port < 200; port++) receive(frameTo(port), 1)
  expect(sw.cache.size).toBe(200)
  await clock.run(60 * SECOND)
  for (let frame = 0; frame < 200; frame++) receive(frameTo(7), 1)
  expect(sw.cache.size).toBe(1)
})

test('of frames that come out of the order of their instants, the latest says when a flow was used', async () => {
  const { sw, arena, clock } = switchOf(1, ',idle_timeout=5')
  const receiveAt = (...instants: number[]) => {
    const frames = instants.map((instant) => {
      const frame = arena.allocateFrom(frameTo(0))
      arena.instant[frame] = instant * SECOND
      return frame
    })
    sw.receive(frames, frames.length, 1, true)
  }
  receiveAt(0, 1)
  receiveAt(4.5, 2)
  await clock.run(7.5 * SECOND)
  expect(sw.tables.size).toBe(1)
  await clock.run(10 * SECOND)
  expect(sw.tables.size).toBe(0)
})

test('a port of an old number is another port: nothing of the one that is gone is known at it', () => {
  const { sw, receive } = switchOf(1)
  expect(receive(frameTo(0), 1)).toHaveLength(1)
  sw.ports.remove('p1')
  expect(receive(frameTo(0), 1)).toEqual(['drop unknown_port'])
  sw.ports.add(portConfig({ number: 1, name: 'new' }))
  expect(receive(frameTo(0), 1)).toHaveLength(1)
  expect(sw.cache.statistics.miss).toBe(2)
})

test('all microflows of a switch together have so many slots, beside the first 256 of each port', () => {
  const ports = [1, 2, 3, 4]
  const { sw, receive } = testSwitch(
    ports.map(() => ({})),
    { cache: { microflows: 1024 } },
  )
  sw.tables.applyBundle([flowMod(parseFlow('udp,tp_dst=1000,actions=2'))])
  const kept = () => sw.cache.entrances().flatMap((entrance) => entrance.allMicroflows().map(({ size }) => size))
  const total = () => kept().reduce((sum, size) => sum + size, 0)
  for (const port of [...ports, ...ports, ...ports])
    for (let flow = 0; flow < 2000; flow++) receive(frameTo(flow), port)
  expect(total()).toBeGreaterThan(1024)
  expect(total()).toBeLessThanOrEqual(1024 + 3 * 256)
  for (const port of [1, 2, 3]) sw.ports.remove(`p${port}`)
  for (let flow = 0; flow < 4000; flow++) receive(frameTo(flow % 2000), 4)
  expect(kept().at(-1)).toBeGreaterThan(700)
})
