// The HTTP server under the API: with TLS or without, and with no patience for clients that take their time over a request.

import {
  createServer as createHttpServer,
  type RequestListener,
  type Server,
  type ServerOptions as HttpOptions,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { withoutMapping } from '../../runtime/endpoint.ts'
import type { TlsSource } from '../../runtime/sockets.ts'
import { followChanges } from '../../runtime/sockets.ts'
import type { NewcomerLimits } from '../../runtime/newcomers.ts'
import { NEWCOMER_LIMITS, Newcomers } from '../../runtime/newcomers.ts'
import { problem } from './errors.ts'

/** Times are milliseconds. */
export interface HttpLimits {
  /** For the head of a request, from its first byte, or from the beginning of the connection. */
  head: number
  /** For a request with its body. */
  request: number
  /** Between two requests of a connection. */
  idle: number
  /** How often it is looked for clients that are late. */
  look: number
  connections: number
  newcomers: NewcomerLimits
}

export const HTTP_LIMITS: HttpLimits = {
  head: 10_000,
  request: 60_000,
  idle: 30_000,
  look: 1000,
  connections: 4096,
  newcomers: NEWCOMER_LIMITS,
}

export function httpServer(
  handler: RequestListener,
  limits: HttpLimits,
  certificate: TlsSource | undefined,
  log: (line: string) => void,
): Server {
  const times = {
    headersTimeout: limits.head,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.idle,
    connectionsCheckingInterval: limits.look,
  }
  const server =
    certificate === undefined
      ? createHttpServer(times, handler)
      : secureServer(handler, times, certificate, limits.head)
  const newcomers = new Newcomers(limits.newcomers, log)
  newcomers.watch(server)
  server.on('request', ({ socket }) => newcomers.known(socket))
  server.maxConnections = limits.connections
  server.on('drop', () => log(`the API takes no more than ${limits.connections} connections`))
  return server
}

function secureServer(
  handler: RequestListener,
  times: HttpOptions,
  certificate: TlsSource,
  handshakeTimeout: number,
): Server {
  const server = createHttpsServer({ ...times, ...certificate.current, handshakeTimeout }, handler)
  followChanges(server, certificate)
  return server
}

const MISTAKES: Readonly<Record<string, readonly [number, string, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request took too long to come'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the head of the request is too large'],
}

/** Answers, and tells of, what is no request at all. */
export function refuseNonRequest(error: NodeJS.ErrnoException, socket: Socket, log: (line: string) => void): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, reason, detail] = MISTAKES[error.code ?? ''] ?? [400, 'Bad Request', 'this is no HTTP request']
  log(`${withoutMapping(socket.remoteAddress ?? '?')} port ${socket.remotePort ?? '-'}: ${detail}`)
  const body = JSON.stringify(problem(status, 'wrong-input', detail))
  const head = [`HTTP/1.1 ${status} ${reason}`, 'content-type: application/problem+json', 'connection: close']
  const answer = [...head, `content-length: ${body.length}`, '', body].join('\r\n')
  if (socket.writable) socket.end(answer, () => socket.destroy())
  else socket.destroy()
}
