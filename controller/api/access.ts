// Who may ask for what: each request shows a token, each token has a role, each route needs one.

import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { LOCAL } from '../state/operations.ts'
import { ANONYMOUS } from './actor.ts'
import type { Api } from './api.ts'
import { NotAllowed, TooMany, Unauthorized } from './errors.ts'
import { RequestCounts } from './request-counts.ts'
import type { Role, Token } from './tokens.ts'
import { hasExpired, ROLES, tokenOf } from './tokens.ts'

export interface Access {
  /** Those that there are now. */
  tokens: () => readonly Token[]
  /** Milliseconds since 1970. */
  now: () => number
}

/** Of each token, or address where there is none. */
export interface RateLimit {
  /** That are answered. */
  requestsPerSecond: number
  /** Milliseconds since 1970. */
  now: () => number
}

export interface GuardOptions {
  /** Where absent nobody is asked who they are, and everybody may do everything. */
  access?: Access
  /** Where absent all are answered. */
  rateLimit?: RateLimit
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route needs; where absent, viewer for GET and admin for all else. */
    role?: Role | 'anyone'
    /** Shows a token of a tenant what is the tenant's, and nothing else. Other routes are closed to such tokens. */
    tenants?: true
  }
  interface FastifyRequest {
    /** What the token lets do, or why it lets do nothing. */
    standing: Role | Unauthorized
    /** Whose things alone the token lets see. */
    tenant: string | undefined
  }
}

/** First it is known who asks, then whether not too often, and then whether they may. */
export async function guard(api: Api, { access, rateLimit: limit }: GuardOptions): Promise<void> {
  api.decorateRequest('standing', 'admin')
  api.decorateRequest('tenant', undefined)
  if (access !== undefined) api.addHook('onRequest', async (request) => identify(request, access))
  if (limit !== undefined) await limitRate(api, limit)
  if (access !== undefined) api.addHook('onRequest', async (request) => authorize(request))
}

function identify(request: FastifyRequest, { tokens, now }: Access): void {
  request.actor = ANONYMOUS
  const { authorization } = request.headers
  const shown = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (shown === undefined) {
    request.standing = new Unauthorized('show a token: Authorization: Bearer TOKEN')
    return
  }
  const token = tokenOf(tokens(), shown)
  if (token === undefined) request.standing = new Unauthorized('nobody has this token', true)
  else if (hasExpired(token, now()))
    request.standing = new Unauthorized(`the token of '${token.name}' expired at ${token.expires}`, true)
  else {
    request.standing = token.role
    request.actor = token.name
    request.tenant = token.tenant
  }
}

function authorize(request: FastifyRequest): void {
  const needed = roleNeeded(request)
  if (needed === 'anyone') return
  const { standing, actor, tenant } = request
  if (standing instanceof Unauthorized) throw standing
  if (ROLES.indexOf(standing) < ROLES.indexOf(needed))
    throw new NotAllowed(`this needs the role ${needed}; '${actor}' is ${standing}`, needed)
  if (tenant !== undefined && request.routeOptions.config.tenants !== true)
    throw new NotAllowed(`this is not for one tenant alone; '${actor}' is of tenant ${tenant}`, needed)
}

export const roleNeeded = ({ method, routeOptions }: FastifyRequest): Role | 'anyone' =>
  routeOptions.config.role ?? (method === 'GET' ? 'viewer' : 'admin')

/** As a hook of its own, and not of each route: so it counts questions for routes that are not there, too. */
async function limitRate(api: Api, { requestsPerSecond, now }: RateLimit): Promise<void> {
  await api.register(rateLimit, {
    global: false,
    max: requestsPerSecond,
    timeWindow: 1000,
    // The limiter makes its store itself.
    store: class extends RequestCounts {
      constructor() {
        super(now)
      }
    },
    keyGenerator: ({ actor, ip }) => (actor === LOCAL || actor === ANONYMOUS ? normalizeIP(ip) : `token ${actor}`),
    errorResponseBuilder: (_request, { max }) => new TooMany(`more than ${max} requests in a second`),
  })
  api.addHook('onRequest', api.rateLimit())
}
