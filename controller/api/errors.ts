// Every failure leaves as problem details (RFC 9457); this is the one place that knows which is which status.

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { FlowSyntaxError } from '../../protocols/flow-text/syntax-error.ts'
import type { Log } from '../../runtime/log.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { StateError } from '../../runtime/store.ts'
import { nearest, oneOf } from '../../topologies/did-you-mean.ts'
import { InvalidInput, pointer } from '../../topologies/problems.ts'
import { Conflict, NotFound, PlanOutdated, SwitchRefused } from '../model.ts'
import type { Api } from './api.ts'
import { closed, count, optional, text } from './schemas.ts'
import { Type } from 'typebox'

const Mistake = closed({
  detail: text('What is wrong, and what was expected.'),
  pointer: optional(text('JSON pointer of the offending value in the request body.')),
  line: optional(count('Line in the body, from 1.')),
  column: optional(count('Column in the line or in the flow, from 1.')),
})
/** One thing that is wrong with a request. */
export type Mistake = Type.Static<typeof Mistake>

export const Problem = closed(
  {
    type: text('URN of the kind of problem.'),
    title: text('The kind in words.'),
    status: count('HTTP status.'),
    detail: text('A sentence for people.'),
    pointer: optional(text('JSON pointer of the offending value in the request body.')),
    line: optional(count('Line in the body, from 1.')),
    column: optional(count('Column in the line or in the flow, from 1.')),
    switch: optional(text('The switch that refused.')),
    code: optional(text("The switch's own error code.")),
    field: optional(text('The field that the switch holds to be at fault.')),
    errors: optional(Type.Array(Mistake, { description: 'All that is wrong with the request, where that is known.' })),
  },
  { $id: 'Problem', description: 'Problem details (RFC 9457).' },
)
export type Problem = Type.Static<typeof Problem>

/** A request that can not be done as it is written; nothing has been changed. */
export class WrongInput extends Error {
  readonly title: string
  readonly mistakes: readonly Mistake[]

  constructor(title: string, mistakes: readonly Mistake[]) {
    super(mistakes.map(({ detail }) => detail).join('\n'))
    this.name = 'WrongInput'
    this.title = title
    this.mistakes = mistakes
  }
}

/** May not be asked from where it was asked. */
export class Forbidden extends Error {}

/** Nobody knows who asks. */
export class Unauthorized extends Error {
  /** For WWW-Authenticate (RFC 6750, section 3). */
  readonly challenge: string

  constructor(detail: string, tokenShown = false) {
    super(detail)
    this.challenge = `Bearer realm="signalbox"${tokenShown ? `, error="invalid_token", error_description="${detail}"` : ''}`
  }
}

/** It is known who asks, and that is not enough. */
export class NotAllowed extends Error {
  readonly challenge: string

  constructor(detail: string, roleNeeded: string) {
    super(detail)
    this.challenge = `Bearer realm="signalbox", error="insufficient_scope", scope="${roleNeeded}"`
  }
}

/** It was asked for only in case something is not, or is no more, as it is. */
export class PreconditionFailed extends Error {}

/** Asked too often. */
export class TooMany extends Error {}

/** Too many have it already. */
export class Busy extends Error {}

const TITLES = {
  'wrong-input': 'The input is wrong',
  unauthorized: 'Not known who asks',
  forbidden: 'Not from there',
  'not-allowed': 'Needs another role',
  'too-many': 'Too many requests',
  busy: 'Busy',
  'not-found': 'Nothing by that name',
  conflict: 'Contradicts what is',
  outdated: 'Not what was planned',
  precondition: 'Not as was expected',
  'too-large': 'The body is too large',
  'switch-refused': 'A switch refused',
  unsupported: 'Not supported',
  'not-ready': 'Not ready',
  'not-kept': 'It can not be kept',
  internal: 'An error of our own',
} as const
type Kind = keyof typeof TITLES

export const problem = (status: number, kind: Kind, detail: string, more: Partial<Problem> = {}): Problem => ({
  type: `urn:signalbox:problem:${kind}`,
  title: TITLES[kind],
  status,
  detail,
  ...more,
})

export function sendProblem(reply: FastifyReply, what: Problem): FastifyReply {
  return reply.code(what.status).type('application/problem+json').send(what)
}

const SECONDS_TO_WAIT = 10

/** A request that no route is looked for, as one whose path can not be decoded. */
export const refuseUnroutable = (error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void =>
  void sendProblem(reply, problemOf(error))

/** Makes problems of all that routes throw, and of routes that are not there. */
export function handleErrors(api: Api, log: Log): void {
  api.setErrorHandler((error: FastifyError, request, reply) => {
    const what = problemOf(error)
    if (what.status === 500) log.error({ requestId: request.id }, error.stack ?? error.message)
    if (error instanceof Unauthorized || error instanceof NotAllowed)
      void reply.header('www-authenticate', error.challenge)
    // Whoever is turned away has no claim to a connection that waits for more.
    if (error instanceof Unauthorized || error instanceof TooMany) void reply.header('connection', 'close')
    if (error instanceof Busy) void reply.header('retry-after', SECONDS_TO_WAIT)
    return sendProblem(reply, what)
  })
  api.setNotFoundHandler((request: FastifyRequest, reply) => {
    const path = request.url.split('?')[0]!
    return sendProblem(reply, problem(404, 'not-found', `no route ${request.method} ${path}; /docs lists all`))
  })
}

function problemOf(error: FastifyError): Problem {
  if (error instanceof NotFound) return problem(404, 'not-found', error.message)
  if (error instanceof PlanOutdated) return problem(412, 'outdated', error.message)
  if (error instanceof PreconditionFailed) return problem(412, 'precondition', error.message)
  if (error instanceof Conflict) return problem(409, 'conflict', error.message)
  if (error instanceof Forbidden) return problem(403, 'forbidden', error.message)
  if (error instanceof Unauthorized) return problem(401, 'unauthorized', error.message)
  if (error instanceof NotAllowed) return problem(403, 'not-allowed', error.message)
  if (error instanceof TooMany) return problem(429, 'too-many', error.message)
  if (error instanceof Busy) return problem(503, 'busy', error.message)
  if (error instanceof SwitchRefused) return refusal(error)
  if (error instanceof StateError) return problem(503, 'not-kept', error.message)
  const mistakes = mistakesOf(error)
  if (mistakes !== undefined) return wrongInput(error, mistakes)
  return problemOfStatus(error)
}

const refusal = (error: SwitchRefused) =>
  problem(422, 'switch-refused', error.message, { switch: error.switchName, code: error.code, field: error.field })

function wrongInput(error: FastifyError, mistakes: readonly Mistake[]): Problem {
  const { detail: _, ...place } = mistakes[0] ?? { detail: '' }
  const detail = mistakes.map((mistake) => mistake.detail).join('\n')
  const title = error instanceof WrongInput ? { title: error.title } : {}
  return problem(400, 'wrong-input', detail, { ...title, ...place, errors: [...mistakes] })
}

/** All that is wrong with the request, where `error` is about the request. */
function mistakesOf(error: FastifyError): readonly Mistake[] | undefined {
  if (error instanceof WrongInput) return error.mistakes
  if (error instanceof FlowSyntaxError) return [{ detail: error.message, column: error.column }]
  if (error instanceof InvalidField) return [{ detail: error.message }]
  if (error instanceof InvalidInput)
    return error.problems.map(({ problem: what, expected, didYouMean, pointer: at, line, column }) => ({
      detail: `${at === '' ? '' : `${at}: `}${what}; expected ${expected}${didYouMean === undefined ? '' : ` (did you mean '${didYouMean}'?)`}`,
      pointer: at,
      line,
      column,
    }))
  return error.validation && schemaMistakes(error.validation, error.validationContext ?? 'body')
}

/** Ajv's account of a mistake, as `verbose` asks for it. */
type SchemaError = NonNullable<FastifyError['validation']>[number] & {
  parentSchema?: { title?: string; properties?: object }
}

function schemaMistakes(found: readonly SchemaError[], context: string): Mistake[] {
  return found.filter((one) => !isOfAlternatives(one)).map((one) => schemaMistake(one, context))
}

/** The branches of a oneOf in our schemas only say which key they want: the oneOf speaks for them. */
const isOfAlternatives = ({ schemaPath }: SchemaError) => schemaPath.includes('/oneOf/')

function schemaMistake(found: SchemaError, context: string): Mistake {
  const { params, instancePath } = found
  const key = params['additionalProperty'] ?? params['property'] ?? params['missingProperty']
  const at = `${instancePath}${typeof key === 'string' ? pointer(key) : ''}`
  const detail = whatIsWrong(found)
  if (context !== 'body')
    return { detail: `${context === 'querystring' ? 'query' : context} ${at.slice(1)}: ${detail}` }
  return { detail: `${at === '' ? 'the body' : at}: ${detail}`, pointer: at }
}

function whatIsWrong({ keyword, params, parentSchema, message = 'is not what was expected' }: SchemaError): string {
  switch (keyword) {
    case 'required':
      return 'is missing'
    case 'additionalProperties':
      return unknownKey(String(params['additionalProperty']), Object.keys(parentSchema?.properties ?? {}))
    case 'dependentRequired':
      return `goes with '${String(params['missingProperty'])}', which is missing`
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`
  }
  return parentSchema?.title === undefined ? message : `must be ${parentSchema.title}`
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  const what = 'is not a key that is known here'
  if (known.length === 0) return `${what}; none is`
  return meant === undefined ? `${what}; expected ${oneOf(known)}` : `${what} (did you mean '${meant}'?)`
}

function problemOfStatus(error: FastifyError): Problem {
  const status = error.statusCode ?? 500
  if (status === 413) return problem(413, 'too-large', 'the body is larger than this server reads')
  if (status === 415) return problem(415, 'unsupported', error.message)
  if (status >= 400 && status < 500) return problem(status, 'wrong-input', error.message)
  return problem(500, 'internal', 'something went wrong here; the log of the server says what')
}
