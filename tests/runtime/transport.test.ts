import { describe, expect, test } from 'vitest'
import { memoryChannelPair, type Channel } from '../../runtime/transport.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

const LATENCY = 50

/** Two joined channels, and what became of the second. */
function joined() {
  const clock = new VirtualClock()
  const [near, far] = memoryChannelPair(clock, { latency: LATENCY, names: ['controller', 's1'] })
  const events: string[] = []
  listen(far, events, clock)
  return { clock, near, far, events }
}

function listen(channel: Channel, events: string[], clock: VirtualClock) {
  channel.onData = (bytes) => events.push(`${clock.now()} data ${bytes.join(' ')}`)
  channel.onClose = () => events.push(`${clock.now()} closed`)
}

describe('a channel in memory', () => {
  test('names who is at the other end', () => {
    const { near, far } = joined()
    expect([near.peer, far.peer]).toEqual(['s1', 'controller'])
  })

  test('delivers what was sent, in order, after its latency', async () => {
    const { clock, near, events } = joined()
    near.send(Uint8Array.of(1))
    near.send(Uint8Array.of(2, 3))
    clock.schedule(10, () => near.send(Uint8Array.of(4)))
    await clock.run(Infinity)
    const bytes = events.flatMap((event) => event.split(' ').slice(2))
    expect(bytes).toEqual(['1', '2', '3', '4'])
    expect(events[0]).toMatch(`${LATENCY} data`)
  })

  test('sends a copy: the sender may write over its buffer', async () => {
    const { clock, near, events } = joined()
    const buffer = Uint8Array.of(1)
    near.send(buffer)
    buffer[0] = 9
    await clock.run(Infinity)
    expect(events).toEqual([`${LATENCY} data 1`])
  })

  test('delivers what was sent before the close, then closes both ends once', async () => {
    const { clock, near, far, events } = joined()
    let nearClosed = 0
    near.onClose = () => nearClosed++
    near.send(Uint8Array.of(1))
    near.close()
    near.close()
    near.send(Uint8Array.of(2))
    await clock.run(Infinity)
    far.close()
    await clock.run(Infinity)
    expect(events).toEqual([`${LATENCY} data 1`, `${LATENCY} closed`])
    expect(nearClosed).toBe(1)
  })

  test('closing both ends at once closes each once', async () => {
    const { clock, near, far, events } = joined()
    near.close()
    far.close()
    await clock.run(Infinity)
    expect(events).toEqual([`${LATENCY} closed`])
  })
})
