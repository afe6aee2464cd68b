import { getHeapStatistics } from 'node:v8'
import { expect, test } from 'vitest'
import { readCapture } from '../../../protocols/capture/capture.ts'
import { PcapngWriter } from '../../../protocols/capture/pcapng-writer.ts'

const CHUNK = 1024 * 1024
const MEBIBYTE = 1024 * 1024
const FRAME = new Uint8Array(1400).fill(7)

/** A capture of `count` frames in chunks of one size, in one piece of memory that every chunk reuses. */
async function* endlessCapture(count: number): AsyncGenerator<Uint8Array> {
  const prelude: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => prelude.push(bytes))
  writer.addInterface('a:eth0')
  writer.write(0, 1n, FRAME)
  const record = prelude.pop()!
  yield* prelude
  const chunk = new Uint8Array(CHUNK)
  const total = count * record.length
  for (let at = 0; at < total; at += CHUNK) {
    const size = Math.min(CHUNK, total - at)
    for (let filled = -(at % record.length); filled < size; filled += record.length)
      chunk.set(record.subarray(Math.max(0, -filled), Math.min(record.length, size - filled)), Math.max(0, filled))
    yield chunk.subarray(0, size)
  }
}

const memoryInUse = () => getHeapStatistics().used_heap_size + process.memoryUsage().external

test('reading 300 MB takes no more memory than reading one chunk', async () => {
  const count = 210_000
  const before = memoryInUse()
  let most = 0
  let frames = 0
  let misread = 0
  for await (const batch of readCapture(endlessCapture(count))) {
    frames += batch.length
    for (const frame of batch) if (frame.bytes.length !== FRAME.length || frame.bytes[1399] !== 7) misread++
    most = Math.max(most, memoryInUse())
  }
  expect(frames).toBe(count)
  expect(misread).toBe(0)
  expect((most - before) / MEBIBYTE).toBeLessThan(100)
})
