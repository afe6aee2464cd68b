// Who has not said who it is: bounded, and nobody else's trouble.

import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, afterAll, describe, expect, test } from 'vitest'
import type { Endpoint } from '../../runtime/endpoint.ts'
import type { NewcomerLimits } from '../../runtime/newcomers.ts'
import { dial, listen, type Listener, type TlsFiles } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'
import { TestAuthority } from '../support/test-authority.ts'

const never = new AbortController().signal
const HALF_OPEN = { tcp: 2_000, ssl: 3_000 }

let authority: TestAuthority
let files: TlsFiles
beforeAll(async () => {
  authority = await TestAuthority.make()
  files = await authority.issue('controller')
})
afterAll(() => authority.remove())

const closing: (() => unknown)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

/** A server that answers 'hello' with 'welcome', and then knows who is there. */
async function serve(kind: 'tcp' | 'ssl', newcomers: Partial<NewcomerLimits>) {
  const log: string[] = []
  const at: Endpoint = { kind, passive: true, host: '127.0.0.1', port: 0 }
  const limits = { perAddress: 64, inAll: 128, patience: 600_000, ...newcomers }
  const greet = (channel: Channel) => {
    channel.onData = () => {
      channel.known?.()
      channel.send(Buffer.from('welcome'))
    }
  }
  const listener = await listen(at, files, greet, { newcomers: limits, log: (line) => log.push(line) })
  closing.push(() => listener.close())
  return { listener, log }
}

/** Says hello; resolves when welcome. */
async function arrive({ endpoint }: Listener): Promise<Channel> {
  const channel = await dial({ ...endpoint, passive: false }, files, never)
  closing.push(() => channel.close())
  await new Promise<void>((resolve, reject) => {
    channel.onData = () => resolve()
    channel.onClose = () => reject(new Error('hung up on'))
    channel.send(Buffer.from('hello'))
  })
  return channel
}

/** Opens that many connections that say nothing; those that the other end has closed are taken out. */
async function openSilently({ endpoint }: Listener, count: number): Promise<Set<Socket>> {
  const open = new Set<Socket>()
  closing.push(() => open.forEach((socket) => socket.destroy()))
  for (let opened = 0; opened < count; opened++) {
    openOne(endpoint, open)
    // The server, in the same process, takes one in each turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return open
}

function openOne(endpoint: Endpoint, open: Set<Socket>): void {
  const socket = connect((endpoint as { port: number }).port, '127.0.0.1')
  open.add(socket)
  socket.on('error', () => {}).on('close', () => open.delete(socket))
}

describe.each(['tcp', 'ssl'] as const)('over %s', (kind) => {
  test('thousands of half-open connections disturb nobody, are bounded, and are told of in few lines', async () => {
    const { listener, log } = await serve(kind, {})
    const before = await arrive(listener)
    const flood = openSilently(listener, HALF_OPEN[kind])
    const during = await arrive(listener)
    const left = await flood
    const after = await arrive(listener)
    while (left.size > 64) await new Promise((resolve) => setImmediate(resolve))
    for (const channel of [before, during, after]) {
      const answered = new Promise<void>((resolve) => (channel.onData = () => resolve()))
      channel.send(Buffer.from('hello'))
      await answered
    }
    expect(log[0]).toMatch(/^127\.0\.0\.1 port \d+ gives way to newer ones: too many of 127\.0\.0\.1/)
    expect(log.length).toBeLessThan(1000)
  })

  test('one that says nothing is hung up on in time, one that has said who it is may be silent', async () => {
    const { listener, log } = await serve(kind, { patience: 300 })
    const known = await arrive(listener)
    let closed = false
    known.onClose = () => (closed = true)
    const silent = await openSilently(listener, 1)
    while (silent.size > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(closed).toBe(false)
    expect(log).toEqual([expect.stringMatching(/has not said in time who it is$/)])
  })
})

test('many addresses together are bounded too', async () => {
  const { listener, log } = await serve('tcp', { perAddress: 1000, inAll: 10 })
  const silent = await openSilently(listener, 30)
  while (silent.size > 10) await new Promise((resolve) => setImmediate(resolve))
  expect(log[0]).toMatch(/too many in all/)
})

test('a Unix socket has its bounds as well', async () => {
  const log: string[] = []
  const path = join(authority.folder, 'socket')
  const newcomers = { perAddress: 5, inAll: 10, patience: 600_000 }
  const options = { newcomers, log: (line: string) => log.push(line) }
  const listener = await listen({ kind: 'unix', passive: true, path }, undefined, () => {}, options)
  closing.push(() => listener.close())
  const open = new Set<Socket>()
  closing.push(() => open.forEach((socket) => socket.destroy()))
  for (let opened = 0; opened < 20; opened++) {
    const socket = connect(path)
    open.add(socket)
    socket
      .resume()
      .on('error', () => {})
      .on('close', () => open.delete(socket))
  }
  while (open.size > 5) await new Promise((resolve) => setImmediate(resolve))
  expect(log[0]).toMatch(/too many of this machine have not said who they are/)
})
