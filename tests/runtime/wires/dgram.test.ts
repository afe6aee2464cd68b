import { expect, test } from 'vitest'
import { openWire } from '../../../runtime/wires/open.ts'
import { parseWire } from '../../../runtime/wires/parse.ts'
import type { Received, Wire } from '../../../runtime/wires/wire.ts'

const host = '127.0.0.1'

const opened = (local: number, remote: number, received: Received = () => {}): Promise<Wire> =>
  openWire({ kind: 'dgram', local: { host, port: local }, remote: { host, port: remote } }, received)

/** Where it receives. */
function portOf(wire: Wire): number {
  const spec = parseWire(wire.name)
  return spec.kind === 'dgram' ? spec.local.port : NaN
}

test('a wire carries a frame in a datagram, from its own other end only', async () => {
  const frames: string[] = []
  let arrived = () => {}
  const arrival = new Promise<void>((resolve) => (arrived = resolve))
  const take = (bytes: Uint8Array) => {
    frames.push(Buffer.from(bytes).toString())
    arrived()
  }
  const probe = await opened(0, 9)
  const free = portOf(probe)
  await probe.close()
  const here = await opened(0, free, take)
  const there = await opened(free, portOf(here))
  const stranger = await opened(0, portOf(here))
  expect(stranger.send(Buffer.from('stranger'))).toBe(true)
  expect(there.send(Buffer.from('frame'))).toBe(true)
  await arrival
  expect(frames).toEqual(['frame'])
  await Promise.all([here, there, stranger].map((wire) => wire.close()))
})

test('a wire whose other end can not be reached leaves nothing open', async () => {
  const probe = await opened(0, 9)
  await probe.close()
  const local = { host, port: portOf(probe) }
  const unreachable = openWire({ kind: 'dgram', local, remote: { host: '::1', port: 9 } }, () => {})
  await expect(unreachable).rejects.toThrow(/EINVAL/)
  const again = await opened(local.port, 9)
  await again.close()
})
