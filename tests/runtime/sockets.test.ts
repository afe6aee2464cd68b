import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Endpoint } from '../../runtime/endpoint.ts'
import type { Listener } from '../../runtime/sockets.ts'
import { dial, listen } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const never = new AbortController().signal
const anywhere: Endpoint = { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 }
const activeOf = (endpoint: Endpoint): Endpoint => ({ ...endpoint, passive: false })

/** What comes on the channel until it closes. */
function heard(channel: Channel): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    channel.onData = (bytes) => (text += Buffer.from(bytes).toString())
    channel.onClose = () => resolve(text)
  })
}

async function pair(at: Endpoint): Promise<{ listener: Listener; near: Channel; far: Channel }> {
  let take: (channel: Channel) => void = () => {}
  const accepted = new Promise<Channel>((resolve) => (take = resolve))
  const listener = await listen(at, undefined, (channel) => take(channel))
  const near = await dial(activeOf(listener.endpoint), undefined, never)
  return { listener, near, far: await accepted }
}

describe.each(['tcp', 'unix'] as const)('a channel over %s', (kind) => {
  const at = (): Endpoint => (kind === 'tcp' ? anywhere : { kind, passive: true, path: join(folder, 'socket') })

  test('carries bytes both ways; what was sent before the end still arrives', async () => {
    const { listener, near, far } = await pair(at())
    const there = heard(far)
    const here = heard(near)
    const bytes = Buffer.from('to the switch')
    near.send(bytes)
    bytes.fill(0)
    far.send(Buffer.from('to the controller'))
    far.close()
    near.close()
    expect(await Promise.all([there, here])).toEqual(['to the switch', 'to the controller'])
    near.send(Buffer.from('too late'))
    await listener.close()
  })

  test('carries what was sent, whatever becomes of those bytes while the reader is busy', async () => {
    const { listener, near, far } = await pair(at())
    const there = heard(far)
    const block = Buffer.alloc(1 << 18)
    far.pause()
    const sent = 'abcdefgh'.split('').map((letter) => {
      near.send(block.fill(letter))
      return letter.repeat(block.length)
    })
    near.close()
    far.resume()
    expect((await there) === sent.join('')).toBe(true)
    await listener.close()
  })

  test('holds what a paused reader does not take, and says when it has left; also when that is at once', async () => {
    const { listener, near, far } = await pair(at())
    let read = 0
    near.onData = (bytes) => (read += bytes.length)
    const drained = () => new Promise<void>((resolve) => (far.onDrain = resolve))
    for (const size of [20_000, 300_000]) {
      const left = drained()
      far.send(new Uint8Array(size))
      await left
      expect(far.backlog).toBe(0)
    }
    near.pause()
    while (far.backlog < 1 << 20) far.send(new Uint8Array(1 << 20))
    const left = drained()
    near.resume()
    await left
    far.close()
    near.close()
    expect(read).toBeGreaterThan(1 << 20)
    await listener.close()
  })

  test('can not be had where nobody listens', async () => {
    const { listener, near, far } = await pair(at())
    near.close()
    far.close()
    await listener.close()
    await expect(dial(activeOf(listener.endpoint), undefined, never)).rejects.toThrow(/ECONNREFUSED|ENOENT/)
  })

  test('is not listened for twice at one place', async () => {
    const { listener, near, far } = await pair(at())
    await expect(listen(listener.endpoint, undefined, () => {})).rejects.toThrow(/in use/)
    near.close()
    far.close()
    await listener.close()
  })
})

test('a closed channel is given back, also where the other end stays open', async () => {
  const others: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => void others.push(socket.on('error', () => {})))
  const path = join(folder, 'stays')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const channel = await dial({ kind: 'unix', passive: false, path }, undefined, never)
  const ended = heard(channel)
  channel.send(Buffer.from('the last word'))
  channel.close()
  channel.close()
  expect(await ended).toBe('')
  expect(others[0]!.read()?.toString()).toBe('the last word')
  for (const socket of others) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

test('a socket file that a killed process left gives way', async () => {
  const path = join(folder, 'stale')
  writeFileSync(path, '')
  const listener = await listen({ kind: 'unix', passive: true, path }, undefined, () => {})
  expect(existsSync(path)).toBe(true)
  await listener.close()
})
