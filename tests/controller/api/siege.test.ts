// Clients that take more than their share of the API: each is bounded and told of in the log, and others are served meanwhile.

import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { HTTP_LIMITS, type HttpLimits } from '../../../controller/api/http-server.ts'
import type { ServerOptions } from '../../../controller/api/server.ts'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'
import { TestAuthority } from '../../support/test-authority.ts'
import { testLog } from '../../support/test-log.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function start(limits: Partial<HttpLimits> = {}, more: ServerOptions = {}) {
  const log = await testLog()
  const live = await startLiveLab({ limits: { ...HTTP_LIMITS, ...limits }, log, ...more })
  closing.push(() => live.stop())
  await live.api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = live.api.server.address() as AddressInfo
  const said = (pattern: RegExp) =>
    vi.waitFor(() => expect(log.lines).toContainEqual(expect.stringMatching(pattern)), { timeout: 100_000 })
  return { live, port, log, said }
}

const health = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    requestHttp({ host: '127.0.0.1', port, path: '/health' }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })

/** A connection that has sent `words`, and what it is answered until it is closed. */
function connection(port: number, words: string): { socket: Socket; answer: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  closing.push(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(words)
  let heard = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (heard += chunk))
  return { socket, answer: new Promise((resolve) => socket.on('close', () => resolve(heard))) }
}

describe('a request that comes too slowly', () => {
  test.each([
    ['has not even begun', ''],
    ['ends in the middle of its head', 'GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: '],
    [
      'ends in the middle of its body',
      'POST /ping HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ],
  ])('and %s is given up', async (_, words) => {
    const { port, said } = await start({ head: 1000, request: 1000, look: 100 })
    const slow = Array.from({ length: 50 }, () => connection(port, words))
    expect(await health(port)).toBe(200)
    const answers = await Promise.all(slow.map(({ answer }) => answer))
    expect(answers.filter((answer) => !answer.startsWith('HTTP/1.1 408'))).toEqual([])
    expect(answers[0]).toContain('application/problem+json')
    await said(/127\.0\.0\.1 port \d+: the request took too long to come/)
    await said(/more lines like the last one were left out/)
    expect(await health(port)).toBe(200)
  })
})

test('a thousand connections that ask for nothing give way to those that do', async () => {
  const { port, said } = await start({ newcomers: { perAddress: 32, inAll: 64, patience: 600_000 } })
  const silent = new Set<Socket>()
  const served: number[] = []
  for (let opened = 0; opened < 1200; opened++) {
    const { socket } = connection(port, '')
    silent.add(socket)
    socket.on('close', () => silent.delete(socket))
    if (opened % 400 === 200) served.push(await health(port))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await vi.waitFor(() => expect(silent.size).toBeLessThanOrEqual(32), { timeout: 100_000 })
  served.push(await health(port))
  expect(served).toEqual([200, 200, 200, 200])
  await said(/gives way to newer ones/)
})

test.each([
  ['a head that is too large', `GET / HTTP/1.1\r\nhost: localhost\r\nx-large: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
  ['no HTTP at all', 'NONSENSE\r\n\r\n', 400],
  ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
])('%s is answered, told of, and hung up on', async (_, words, status) => {
  const { port, said } = await start()
  expect(await connection(port, words).answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  await said(/127\.0\.0\.1 port \d+: /)
  expect(await health(port)).toBe(200)
})

test('a body that is announced too large is refused before it is read', async () => {
  const { port, log } = await start()
  const head = 'POST /switches/h1/br-int/flows HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
  const { answer, socket } = connection(port, `${head}content-length: ${1 << 30}\r\n\r\n{`)
  await vi.waitFor(() => expect(log.lines.join('')).toContain('"status":413'), { timeout: 100_000 })
  expect(await health(port)).toBe(200)
  socket.end()
  expect(await answer).toContain('the body is larger than this server reads')
})

describe('readers of events', () => {
  const listen = (port: number): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const asked = requestHttp({ host: '127.0.0.1', port, path: '/events' }, resolve).on('error', reject)
      asked.end()
      closing.push(() => asked.destroy())
    })

  test('one that does not read is hung up on, while another hears everything', async () => {
    const { live, port, said } = await start()
    const { socket: sleeper } = connection(port, 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n')
    sleeper.pause()
    const reader = await listen(port)
    let heard = 0
    let unfinished = ''
    reader.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = `${unfinished}${chunk}`.split('\n')
      unfinished = lines.pop() ?? ''
      heard += lines.filter((line) => line === 'event: flow').length
    })
    let happened = 0
    const hungUp = said(/local at 127\.0\.0\.1 does not read its events: \d+ bytes wait; hung up/).then(() => true)
    for (let told = false; !told;) {
      happened += await happen(live)
      told = await Promise.race([hungUp, new Promise<false>((resolve) => setImmediate(() => resolve(false)))])
    }
    await vi.waitFor(() => expect(heard).toBeGreaterThanOrEqual(happened), { timeout: 100_000 })
  })

  /** A good deal happens: returns how many flows were added and deleted. */
  async function happen({ api }: LiveLab): Promise<number> {
    // Long to tell of, and soon read.
    const actions = 'set_field:0x0123456789abcdef0123456789abcdef->xxreg0,'.repeat(150)
    const flows = Array.from({ length: 60 }, (_, index) => `priority=${index},actions=${actions}output:1`)
    await ask(api, 'POST', '/switches/h1/br-int/flows', { flows })
    const { body } = await ask(api, 'DELETE', '/switches/h1/br-int/flows')
    return flows.length + (body as { deleted: number }).deleted
  }

  test('there are only so many at a time', async () => {
    const { port } = await start({}, { readers: 2 })
    const readers = [await listen(port), await listen(port)]
    const third = await listen(port)
    expect(third.statusCode).toBe(503)
    expect(third.headers['retry-after']).toBeDefined()
    expect(await text(third)).toContain('2 read the events already')
    expect(await health(port)).toBe(200)
    readers[0]!.destroy()
    await vi.waitFor(async () => expect((await listen(port)).statusCode).toBe(200), { timeout: 100_000 })
  })
})

test('over HTTPS the API is reached by who trusts its authority, and by nobody in the clear', async () => {
  const authority = await TestAuthority.make()
  closing.push(() => authority.remove())
  const files = await authority.issue('controller')
  const certificate = { key: readFileSync(files.privateKey), cert: readFileSync(files.certificate) }
  const { port } = await start({}, { certificate: { current: certificate, subscribe: () => () => {} } })
  const get = (ca: Buffer | undefined) =>
    new Promise((resolve, reject) => {
      requestHttps({ host: '127.0.0.1', port, path: '/health', ca }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
        .on('error', reject)
        .end()
    })
  expect(await get(readFileSync(files.caCertificate))).toBe(200)
  await expect(get(undefined)).rejects.toThrow(/certificate/)
  await expect(health(port)).rejects.toThrow(/hang up|ECONNRESET/)
})
