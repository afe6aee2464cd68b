// What the log says of requests: a line for each that may change something, whoever asked and whatever came of it, and for those
// whose token is refused or who ask too often. Bodies and headers never go into it, and of the query only what routes take.

import { randomUUID } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Log } from '../../runtime/log.ts'
import { withoutMapping } from '../../runtime/endpoint.ts'
import { sparing } from '../../runtime/sparing-log.ts'
import { roleNeeded } from './access.ts'
import { actorOf } from './actor.ts'
import type { Api } from './api.ts'
import { Unauthorized } from './errors.ts'

/** A client's own id is taken where it can do no harm in a log. */
const ACCEPTABLE_ID = /^[A-Za-z0-9._:/+=-]{1,64}$/

/** `x-request-id` as the client gave it; else a fresh one. */
export function requestIdOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && ACCEPTABLE_ID.test(given) ? given : randomUUID()
}

export function auditRequests(api: Api, log: Log): void {
  const warn = sparing((line) => log.warn({}, line))
  api.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id)
  })
  api.addHook('onResponse', async (request, reply) => {
    const { method, id } = request
    const ip = withoutMapping(request.ip)
    const path = pathOf(request)
    const fields = { actor: actorOf(request), method, path, status: reply.statusCode, requestId: id, address: ip }
    const line = `${fields.actor}: ${method} ${path}: ${reply.statusCode}`
    if (mayChange(request)) log.info({ audit: true, ...fields }, line)
    else log.debug({ ...fields, milliseconds: Math.round(reply.elapsedTime) }, line)
    const why = whyTurnedAway(request, reply.statusCode)
    if (why !== undefined) warn(`${ip}: ${line}: ${why}`)
  })
}

/** Reading a secret counts as well: a backup is read, and needs an administrator. */
function mayChange(request: FastifyRequest): boolean {
  const role = roleNeeded(request)
  return role === 'operator' || role === 'admin'
}

/** Undefined where the request came further. */
function whyTurnedAway({ standing }: FastifyRequest, status: number): string | undefined {
  if (status === 429) return 'too many requests in a second'
  return status === 401 && standing instanceof Unauthorized ? standing.message : undefined
}

/** As it came, so with nothing in it that could end a line. The rest of a query may hold what a client put there by mistake. */
function pathOf({ url }: FastifyRequest): string {
  const [path = '', query = ''] = url.split('?')
  const match = query.split('&').find((one) => one.startsWith('match='))
  return match === undefined ? path : `${path}?${match}`
}
