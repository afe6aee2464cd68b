import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seeded } from '../../../runtime/random.ts'
import { openWire } from '../../../runtime/wires/open.ts'
import { formatWire, parseWire } from '../../../runtime/wires/parse.ts'
import { LONGEST_RECORD, LONGEST_STREAMED, RecordReader, writeRecord } from '../../../runtime/wires/stream-frames.ts'
import type { Wire } from '../../../runtime/wires/wire.ts'
import { randomBytes } from '../../support/random-frames.ts'

const recordOf = (frame: Uint8Array): Buffer => {
  const record = Buffer.alloc(4 + frame.length)
  expect(writeRecord(record, 0, frame)).toBe(record.length)
  return record
}

describe('frames in a stream', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('come out as they went in, wherever it is cut (seed %i)', (seed) => {
    const random = seeded(seed)
    const length = () => (random.below(8) === 0 ? random.below(LONGEST_STREAMED + 1) : random.below(100))
    const frames = Array.from({ length: 60 }, () => Buffer.from(randomBytes(random, length())))
    const stream = Buffer.concat(frames.map(recordOf))
    const reader = new RecordReader()
    const found: Buffer[] = []
    const longest = [3, 50, 3000, 200_000][seed % 4]!
    for (let at = 0; at < stream.length;) {
      const end = Math.min(stream.length, at + 1 + random.below(longest))
      reader.read(stream.subarray(at, end), (frame) => found.push(Buffer.from(frame)))
      at = end
    }
    expect(found.map((frame) => frame.toString('hex'))).toEqual(frames.map((frame) => frame.toString('hex')))
  })

  test.each([LONGEST_STREAMED + 1, 0x80000000, 0xffffffff])('a length of %i is refused, whole or cut', (length) => {
    const header = Buffer.alloc(4)
    header.writeUInt32BE(length)
    expect(() => new RecordReader().read(header, () => {})).toThrow(/at most 69632 are taken/)
    const reader = new RecordReader()
    reader.read(header.subarray(0, 3), () => {})
    expect(() => reader.read(header.subarray(3), () => {})).toThrow(/at most 69632 are taken/)
  })
})

/** A wire, and what has come of it. */
class Watched {
  readonly frames: string[] = []
  readonly lines: string[] = []
  wire!: Wire
  #wake = () => {}

  static async open(text: string): Promise<Watched> {
    const watched = new Watched()
    const take = (bytes: Uint8Array) => {
      watched.frames.push(Buffer.from(bytes).toString())
      watched.#wake()
    }
    const log = (line: string) => {
      watched.lines.push(line)
      watched.#wake()
    }
    watched.wire = await openWire(parseWire(text), take, { log, warn: log })
    watched.wire.onLink = () => watched.#wake()
    return watched
  }

  /** Looks again whenever something has happened. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  linked = (connected: boolean) => this.until(() => this.wire.connected === connected)

  get port(): number {
    return Number(/ptcp:(\d+)/.exec(this.wire.name)?.[1])
  }
}

/** The other end of a wire that listens. */
function dialling({ name }: Wire): string {
  const spec = parseWire(name)
  if (spec.kind !== 'stream') throw new Error(`${name} is no stream`)
  return formatWire({ kind: 'stream', endpoint: { ...spec.endpoint, passive: false } })
}

async function dialled(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function listening(port: number): Promise<Server> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : NaN
}

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a stream wire', () => {
  test.each([
    ['TCP', () => 'ptcp:0:127.0.0.1'],
    ['a Unix socket', () => `punix:${join(folder, 'wire')}`],
  ])('carries frames both ways over %s, in order', async (_, at) => {
    const here = await Watched.open(`stream:${at()}`)
    expect([here.wire.connected, here.wire.send(Buffer.from('nobody is there'))]).toEqual([false, false])
    const there = await Watched.open(dialling(here.wire))
    await Promise.all([here.linked(true), there.linked(true)])
    const words = Array.from({ length: 500 }, (_all, number) => `frame ${number}`)
    for (const word of words) expect(here.wire.send(Buffer.from(word))).toBe(true)
    for (const word of words) expect(there.wire.send(Buffer.from(word))).toBe(true)
    await here.until(() => here.frames.length === words.length)
    await there.until(() => there.frames.length === words.length)
    expect(here.frames).toEqual(words)
    expect(there.frames).toEqual(words)
    await there.wire.close()
    await here.linked(false)
    await here.wire.close()
    expect(here.wire.send(Buffer.from('closed'))).toBe(false)
  })

  test('that listens serves one peer, the newest', async () => {
    const here = await Watched.open('stream:ptcp:0:127.0.0.1')
    const first = await dialled(here.port)
    first.write(recordOf(Buffer.from('first')))
    await here.until(() => here.frames.length === 1)
    const ended = once(first, 'end')
    const second = await dialled(here.port)
    await ended
    first.write(recordOf(Buffer.from('too late')))
    second.write(recordOf(Buffer.from('second')))
    await here.until(() => here.frames.length === 2)
    expect(here.frames).toEqual(['first', 'second'])
    here.wire.send(Buffer.from('to the second'))
    const [bytes] = (await once(second, 'data')) as [Buffer]
    expect(bytes).toEqual(recordOf(Buffer.from('to the second')))
    first.destroy()
    second.destroy()
    await here.wire.close()
  })

  test('closes a peer that announces what no frame is as long as, and serves the next', async () => {
    const here = await Watched.open('stream:ptcp:0:127.0.0.1')
    const hostile = await dialled(here.port)
    hostile.write(Buffer.concat([recordOf(Buffer.from('good')), Buffer.alloc(4, 0xff), recordOf(Buffer.from('bad'))]))
    await once(hostile.resume(), 'end')
    expect([here.frames, here.wire.connected]).toEqual([['good'], false])
    expect(here.lines.at(-1)).toContain('a frame of 4294967295 bytes; at most 69632 are taken; closed')
    const next = await dialled(here.port)
    next.write(recordOf(Buffer.from('next')))
    await here.until(() => here.frames.length === 2)
    expect(here.frames).toEqual(['good', 'next'])
    hostile.destroy()
    next.destroy()
    await here.wire.close()
  })

  test('that dials waits for its peer, and finds it again when it is lost', async () => {
    const probe = await listening(0)
    const port = portOf(probe)
    probe.close()
    const here = await Watched.open(`stream:tcp:127.0.0.1:${port}`)
    await here.until(() => here.lines.length > 0)
    expect(here.lines[0]).toMatch(/ECONNREFUSED.*; dialled again and again$/)
    for (const round of [1, 2, 3]) {
      const server = await listening(port)
      const [peer] = (await once(server, 'connection')) as [Socket]
      await here.linked(true)
      peer.write(recordOf(Buffer.from(`round ${round}`)))
      await here.until(() => here.frames.length === round)
      server.close()
      peer.destroy()
      await here.linked(false)
    }
    expect(here.frames).toEqual(['round 1', 'round 2', 'round 3'])
    await here.wire.close()
  })

  test('takes no more than so much for a peer that reads nothing', async () => {
    const here = await Watched.open('stream:ptcp:0:127.0.0.1')
    const idle = await dialled(here.port)
    idle.pause()
    await here.linked(true)
    const frame = Buffer.alloc(LONGEST_STREAMED)
    expect(here.wire.send(Buffer.alloc(LONGEST_RECORD))).toBe(false)
    let taken = 0
    while (here.wire.send(frame)) {
      taken++
      if (taken % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      expect(taken).toBeLessThan(2000)
    }
    expect(taken).toBeGreaterThan(50)
    idle.destroy()
    await here.wire.close()
  })

  test('that can not listen says so, and leaves nothing open', async () => {
    const here = await Watched.open('stream:ptcp:0:127.0.0.1')
    await expect(Watched.open(`stream:ptcp:${here.port}:127.0.0.1`)).rejects.toThrow(/EADDRINUSE/)
    await here.wire.close()
  })
})
