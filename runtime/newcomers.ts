// Connections whose other end has not yet said who it is. Anybody can open one, so there are only so many: the oldest gives way to
// the newest, who is more likely to be about to speak. So ten thousand that say nothing keep nobody out who does.

import type { Server, Socket } from 'node:net'
import { withoutMapping } from './endpoint.ts'

export interface NewcomerLimits {
  perAddress: number
  inAll: number
  /** Milliseconds to say who they are, the TLS handshake included. */
  patience: number
}

/** Roomy for a machine whose hundred hosts all dial at once. */
export const NEWCOMER_LIMITS: NewcomerLimits = { perAddress: 512, inAll: 2048, patience: 10_000 }

interface Newcomer {
  socket: Socket
  address: string
  timer: NodeJS.Timeout
}

export class Newcomers {
  readonly #limits: NewcomerLimits
  readonly #log: (line: string) => void
  /** Oldest first, by `keyOf` their socket. */
  readonly #all = new Map<unknown, Newcomer>()
  /** The keys of those of an address, oldest first. */
  readonly #byAddress = new Map<string, Set<unknown>>()

  constructor(limits: NewcomerLimits, log: (line: string) => void) {
    this.#limits = limits
    this.#log = log
  }

  /** Takes in every connection of the server. */
  watch(server: Server): void {
    server.on('connection', (socket) => this.#take(socket))
  }

  /** The other end has said who it is. The socket may be the one under TLS, or the one over it. */
  known(socket: Socket): void {
    this.#forget(keyOf(socket))
  }

  #take(socket: Socket): void {
    const key = keyOf(socket)
    const address = socket.remoteAddress ?? ''
    const timer = setTimeout(() => this.#hangUp(key, 'has not said in time who it is'), this.#limits.patience).unref()
    const siblings = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, siblings.add(key))
    this.#all.set(key, { socket, address, timer })
    socket.once('close', () => {
      if (this.#all.get(key)?.socket === socket) this.#forget(key)
    })
    if (siblings.size > this.#limits.perAddress)
      this.#giveWay(siblings, `of ${withoutMapping(address) || 'this machine'}`)
    if (this.#all.size > this.#limits.inAll) this.#giveWay(this.#all, 'in all')
  }

  #giveWay(among: { keys(): Iterator<unknown> }, which: string): void {
    const { value } = among.keys().next()
    this.#hangUp(value, `gives way to newer ones: too many ${which} have not said who they are`)
  }

  #hangUp(key: unknown, why: string): void {
    const newcomer = this.#all.get(key)
    if (newcomer === undefined) return
    this.#forget(key)
    this.#log(`${withoutMapping(newcomer.address) || 'a connection'} port ${newcomer.socket.remotePort ?? '-'} ${why}`)
    // Without the goodbyes of TCP, which would leave ten thousand of them to the system for a minute.
    if (newcomer.address === '') newcomer.socket.destroy()
    else newcomer.socket.resetAndDestroy()
  }

  #forget(key: unknown): void {
    const newcomer = this.#all.get(key)
    if (newcomer === undefined) return
    clearTimeout(newcomer.timer)
    this.#all.delete(key)
    const siblings = this.#byAddress.get(newcomer.address)
    siblings?.delete(key)
    if (siblings?.size === 0) this.#byAddress.delete(newcomer.address)
  }
}

/** A TLS socket and the one that it runs over have the same other end. */
const keyOf = (socket: Socket): unknown =>
  socket.remotePort === undefined ? socket : `${socket.remoteAddress} ${socket.remotePort}`
