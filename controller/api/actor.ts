// Who asks. The name goes into the journal and the audit log.

import type { FastifyRequest } from 'fastify'
import { LOCAL } from '../state/operations.ts'
import type { Api } from './api.ts'

/** Who shows no token that is known, where one is asked for. */
export const ANONYMOUS = 'anonymous'

declare module 'fastify' {
  interface FastifyRequest {
    actor: string
  }
}

export function decorateActor(api: Api): void {
  api.decorateRequest('actor', LOCAL)
}

/** Name of the token that the request carries; `local` where none is asked for. */
export const actorOf = (request: FastifyRequest): string => request.actor
