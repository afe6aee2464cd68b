// Tells when a device has something to read. Node waits for sockets and pipes of its own only, so a thread waits for all devices of
// the process with epoll, and does nothing else: reading happens where the frames are wanted. Each device is armed for one event at a
// time; whoever reads it arms it again once it is empty, and a busy one is read in turns without asking the thread.

import { Worker } from 'node:worker_threads'
import type { Native } from './native.ts'
import { failure } from './native.ts'

export const READABLE = 0x1
export const WRITABLE = 0x4

const EPOLL_CLOEXEC = 0x80000
const EPOLLONESHOT = 0x40000000
const EPOLL_CTL = { add: 1, delete: 2, modify: 3 } as const

/** struct epoll_event: packed on x64 alone (sys/epoll.h). */
const EVENT = process.arch === 'x64' ? { data: 4, size: 12 } : { data: 8, size: 16 }

/** A process that ends without closing its devices waits for the thread no longer than these milliseconds. */
const LONGEST_WAIT = 250

/** The thread's program, as text: it runs as it is, whatever the rest is loaded by. The wake-up has number 0. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads')
const { koffiPath, epoll, event, longestWait } = workerData
const wait = require(koffiPath).load(null).func('int epoll_wait(int epoll, void *events, int count, int milliseconds)')
const events = Buffer.alloc(64 * event.size)
for (let running = true; running; ) {
  const ready = []
  const count = wait(epoll, events, 64, longestWait)
  for (let at = 0; at < count * event.size; at += event.size) {
    const number = events.readUInt32LE(at + event.data)
    if (number === 0) running = false
    else ready.push(number, events.readUInt32LE(at))
  }
  if (ready.length > 0) parentPort.postMessage(ready)
}`

type Ready = (events: number) => void

/** Waits for one device. */
export interface Watch {
  /** Lets `ready` be called once more, when one of `events` has come about. */
  arm(events: number): void
  /** Forgets the device; to be called before it is closed. */
  close(): void
}

let running: Waiter | undefined

/** @throws Error where the system has no more descriptors. */
export function watch(native: Native, file: number, ready: Ready): Watch {
  running ??= new Waiter(native, () => (running = undefined))
  return running.watch(file, ready)
}

/** The thread, from the first device to the last. */
class Waiter {
  readonly #native: Native
  readonly #ended: () => void
  readonly #epoll: number
  readonly #wakeUp: number
  readonly #ready = new Map<number, Ready>()
  #lastNumber = 0

  constructor(native: Native, ended: () => void) {
    this.#native = native
    this.#ended = ended
    this.#epoll = native.epoll_create1(EPOLL_CLOEXEC)
    this.#wakeUp = native.eventfd(0, EPOLL_CLOEXEC)
    this.#control('add', this.#wakeUp, READABLE, 0)
    const worker = new Worker(PROGRAM, {
      eval: true,
      // What loads the rest of the program is of no use to it.
      execArgv: [],
      workerData: { koffiPath: native.koffiPath, epoll: this.#epoll, event: EVENT, longestWait: LONGEST_WAIT },
    })
    worker.on('message', (ready: number[]) => {
      for (let at = 0; at < ready.length; at += 2) this.#ready.get(ready[at]!)?.(ready[at + 1]!)
    })
    worker.on('exit', () => [this.#epoll, this.#wakeUp].forEach((file) => native.close(file)))
  }

  watch(file: number, ready: Ready): Watch {
    const number = ++this.#lastNumber
    this.#ready.set(number, ready)
    try {
      this.#control('add', file, EPOLLONESHOT, number)
    } catch (error) {
      this.#forget(number)
      throw error
    }
    return {
      arm: (events) => this.#control('modify', file, events | EPOLLONESHOT, number),
      close: () => {
        this.#control('delete', file, 0, number)
        this.#forget(number)
      },
    }
  }

  /** With the last device the thread ends. */
  #forget(number: number): void {
    this.#ready.delete(number)
    if (this.#ready.size > 0) return
    this.#ended()
    const once = Buffer.alloc(8)
    once.writeBigUInt64LE(1n)
    this.#native.write(this.#wakeUp, once, once.length)
  }

  #control(operation: keyof typeof EPOLL_CTL, file: number, events: number, number: number): void {
    const event = Buffer.alloc(EVENT.size)
    event.writeUInt32LE(events, 0)
    event.writeUInt32LE(number, EVENT.data)
    if (this.#native.epoll_ctl(this.#epoll, EPOLL_CTL[operation], file, event) < 0)
      throw failure(this.#native, 'a device can not be waited for')
  }
}
