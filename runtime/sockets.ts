// Channels over real sockets: TCP, TLS and Unix.

import { readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type Server as TlsServer, TLSSocket } from 'node:tls'
import type { Endpoint } from './endpoint.ts'
import { formatEndpoint, withoutMapping } from './endpoint.ts'
import type { NewcomerLimits } from './newcomers.ts'
import { Newcomers } from './newcomers.ts'
import { sparing } from './sparing-log.ts'
import type { Channel } from './transport.ts'
import { PILE } from './transport.ts'

/** PEM files, as `ovs-vsctl set-ssl` names them. */
export interface TlsFiles {
  privateKey: string
  certificate: string
  caCertificate: string
}

/** PEM, as bytes. */
export interface TlsCredentials {
  key: Buffer
  cert: Buffer
  /** Of the authority; it is not needed where nobody else shows a certificate. */
  ca?: Buffer
}

/** Credentials that may become others. */
export interface TlsSource {
  readonly current: TlsCredentials
  /** Calls `listener` whenever there are others, until the returned function is called. */
  subscribe(listener: () => void): () => void
}

/** Files are read for each connection that is dialled, and once by who listens. */
export type Tls = TlsFiles | TlsSource

/**
 * Bytes that wait for a peer which does not read them; above that it is given up. Replies do not come near it: they wait for the
 * reader (protocols/control/mailbox.ts).
 */
const LARGEST_BACKLOG = 64 << 20
/** Milliseconds that the other end has to close too, once all that was sent has left. */
const LINGER = 1000
/** Milliseconds that a closed channel has for what still waits to leave. */
const LONGEST_DRAIN = 30_000
/** Milliseconds for a TLS handshake. */
const LONGEST_HANDSHAKE = 10_000
/** Connections of one listener; far more than there are hosts, and fewer than would use up the memory. */
const MOST_CONNECTIONS = 16_384
/** Connections that may wait to be taken; the system lowers it to what it allows itself. */
const BACKLOG = 4096

/** The common name; '' where the certificate has none, or several. */
function nameOnCertificate(socket: TLSSocket): string {
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | string[] } }
  return typeof subject?.CN === 'string' ? subject.CN : ''
}

class SocketChannel implements Channel {
  readonly peer: string
  readonly certificateName?: string
  onData: (bytes: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  readonly #socket: Socket
  #piledUp = false

  constructor(socket: Socket, peer: string) {
    this.#socket = socket
    this.peer = peer
    if (socket instanceof TLSSocket) this.certificateName = nameOnCertificate(socket)
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.onData(bytes))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => this.onClose())
  }

  get backlog(): number {
    return this.#socket.writableLength
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#piledUp ||= this.backlog + bytes.length >= PILE
    // A Buffer's own `slice` would copy nothing.
    this.#socket.write(new Uint8Array(bytes), () => this.#left())
    if (this.#socket.writableLength > LARGEST_BACKLOG) this.#socket.destroy()
  }

  later(work: () => void): void {
    setImmediate(work)
  }

  /** The stream's own 'drain' does not come where the system took all at once. Other sockets have their turn first. */
  #left(): void {
    if (!this.#piledUp || this.backlog > 0) return
    this.#piledUp = false
    setImmediate(() => this.onDrain())
  }

  /** The other end may keep its own open: what was sent has time to leave, and then the descriptor is given back. */
  close(patience = LONGEST_DRAIN): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    const giveBackAfter = (span: number) => setTimeout(() => this.#socket.destroy(), span).unref()
    this.#socket.end(() => giveBackAfter(LINGER))
    giveBackAfter(patience)
  }
}

/**
 * A channel to `endpoint`, once it is there. Rejects where nobody answers, or not with the certificate of our authority;
 * `signal` gives up.
 */
export function dial(endpoint: Endpoint, tls: Tls | undefined, signal: AbortSignal): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = open(endpoint, tls)
    const give = () => socket.destroy(new Error('given up'))
    signal.addEventListener('abort', give, { once: true })
    socket.once('error', reject)
    socket.once(endpoint.kind === 'ssl' ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', give)
      socket.off('error', reject)
      resolve(new SocketChannel(socket, formatEndpoint(endpoint)))
    })
  })
}

function open(endpoint: Endpoint, tls: Tls | undefined): Socket {
  if (endpoint.kind === 'unix') return connectTcp(endpoint.path)
  const { port, host = 'localhost' } = endpoint
  if (endpoint.kind === 'tcp') return connectTcp(port, host)
  // The authority is our own: as in Open vSwitch, whoever has its certificate is who we mean, under whichever name.
  return connectTls({ port, host, ...credentials(tls), checkServerIdentity: () => undefined })
}

export interface Listener {
  /** Where it listens, its port number chosen. */
  readonly endpoint: Endpoint
  /** Takes no more; connections that are there stay. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** For those who have not said who they are; `Channel.known` tells of one that it has. Without, anybody may stay. */
  newcomers?: NewcomerLimits
  /** Told who was not let in, and why; so that strangers can not fill a log, ten lines a second at most. */
  log?: (line: string) => void
}

/** Listens on `endpoint`. Rejects where that is not possible: the address in use, the file not writable. */
export async function listen(
  endpoint: Endpoint,
  tls: Tls | undefined,
  accepted: (channel: Channel) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  const log = sparing(options.log ?? (() => {}))
  const newcomers = options.newcomers && new Newcomers(options.newcomers, log)
  const take = (socket: Socket) => {
    const channel: Channel = new SocketChannel(socket, peerOf(endpoint, socket))
    if (newcomers !== undefined) channel.known = () => newcomers.known(socket)
    accepted(channel)
  }
  const server = endpoint.kind === 'ssl' ? tlsServer(endpoint, tls, take, log) : createServer(take)
  server.maxConnections = MOST_CONNECTIONS
  server.on('drop', () => log(`${formatEndpoint(endpoint)}: no more than ${MOST_CONNECTIONS} connections are taken`))
  newcomers?.watch(server)
  await bind(server, endpoint)
  // One connection that can not be taken, for want of descriptors, is no reason to end.
  server.on('error', () => {})
  const bound = server.address()
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0
  return {
    endpoint: endpoint.kind === 'unix' ? endpoint : { ...endpoint, port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function tlsServer(
  endpoint: Endpoint,
  tls: Tls | undefined,
  take: (socket: Socket) => void,
  log: (line: string) => void,
): Server {
  const options = { requestCert: true, rejectUnauthorized: true, handshakeTimeout: LONGEST_HANDSHAKE }
  const server = createTlsServer({ ...credentials(tls), ...options }, take)
  followChanges(server, tls)
  // A socket remembers the address that it was asked for once; when it is refused, it is too late.
  server.on('connection', ({ remoteAddress }) => remoteAddress)
  server.on('tlsClientError', (error, socket) => {
    // Who leaves, or has been hung up on, in the middle of it is no news.
    if (!socket.authorizationError && (error as NodeJS.ErrnoException).code === 'ECONNRESET') return
    log(`${peerOf(endpoint, underTls(socket))}: refused: ${whyRefused(error, socket)}`)
  })
  return server
}

/** New connections are shown what is there then. */
export function followChanges(server: TlsServer, tls: Tls | undefined): void {
  if (tls === undefined || !('current' in tls)) return
  server.on(
    'close',
    tls.subscribe(() => server.setSecureContext(tls.current)),
  )
}

/** The socket that it runs over. Node has no public name for it, and none of a refused one's address. */
function underTls(socket: TLSSocket): Socket {
  const { _parent: under } = socket as TLSSocket & { _parent?: Socket }
  return under ?? socket
}

const REFUSALS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not of our authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not of our authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not of our authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not of our authority',
  INVALID_PURPOSE: 'its certificate is not one for dialling',
}

const NO_TLS: ReadonlySet<string> = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST'])

/** Node destroys the socket of whom it refuses, and gives that as the error; the reason is kept beside it. */
function whyRefused(error: NodeJS.ErrnoException, socket: TLSSocket): string {
  // Declared as an Error; it is the code of one.
  const code = (socket.authorizationError as unknown as string | null | undefined) ?? error.code ?? ''
  if (socket.authorizationError) return REFUSALS[code] ?? `its certificate: ${code}`
  if (NO_TLS.has(code)) return 'what it says is not TLS'
  // The message is of several lines, with a place in the source of OpenSSL.
  const { reason } = error as { reason?: string }
  return REFUSALS[code] ?? reason ?? error.message
}

function bind(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const ready = () => {
      server.off('error', reject)
      resolve()
    }
    if (endpoint.kind !== 'unix') server.listen(endpoint.port, endpoint.host, BACKLOG, ready)
    else removeStale(endpoint.path).then(() => server.listen(endpoint.path, ready), reject)
  })
}

/** A socket file at which nobody answers is what a killed process left behind. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connectTcp(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (answered) throw new Error(`${path} is in use`)
  rmSync(path, { force: true })
}

function peerOf(endpoint: Endpoint, socket: Socket | TLSSocket): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const { remoteAddress = '?', remotePort = 0 } = socket
  return formatEndpoint({ kind: endpoint.kind, passive: false, host: withoutMapping(remoteAddress), port: remotePort })
}

/** @throws Error where the files are missing or can not be read. */
function credentials(tls: Tls | undefined): TlsCredentials {
  if (tls !== undefined && 'current' in tls) return tls.current
  if (tls === undefined) throw new Error('ssl needs a private key, a certificate and the certificate of the authority')
  return { key: readFileSync(tls.privateKey), cert: readFileSync(tls.certificate), ca: readFileSync(tls.caCertificate) }
}
