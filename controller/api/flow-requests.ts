// Flows as requests bring them: lines of flow text, flow text in JSON, or flows as objects. All are read by the one parser
// of flow text; each mistake is told with its place in the request.

import { Type } from 'typebox'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import type { FlowTextOptions } from '../../protocols/flow-text/ports.ts'
import type { InvalidField } from '../../protocols/errors.ts'
import { FlowSyntaxError } from '../../protocols/flow-text/syntax-error.ts'
import { pointer } from '../../topologies/problems.ts'
import { WrongInput, type Mistake } from './errors.ts'
import { closed, optional, text, whole } from './schemas.ts'

const COOKIE = '^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$'
/** What a match says may hold nothing that ends it. */
const MATCH_VALUE = '^[^\\s,=]+$'
const NO_MATCH_FIELDS = ['table', 'priority', 'cookie', 'idle_timeout', 'hard_timeout', 'action', 'actions']

const properties = {
  table: optional(whole(0, 253, 'Default: 0.')),
  priority: optional(whole(0, 65535, 'Default: 32768.')),
  cookie: optional(
    Type.Union([Type.String({ pattern: COOKIE }), Type.Integer({ minimum: 0 })], {
      description: 'Hexadecimal or decimal text, or a number below 2^53. Default: 0.',
    }),
  ),
  idleTimeout: optional(whole(0, 65535, 'Seconds without a frame until it goes. Default: never.')),
  hardTimeout: optional(whole(0, 65535, 'Seconds until it goes. Default: never.')),
  flags: optional(Type.Array(Type.Enum(['send_flow_rem', 'check_overlap', 'reset_counts']))),
  match: optional(
    Type.Record(
      Type.String({ pattern: '^[a-z][a-z0-9_]*$' }),
      Type.Union([Type.String({ pattern: MATCH_VALUE }), Type.Integer({ minimum: 0 }), Type.Literal(true)]),
      {
        propertyNames: { pattern: '^[a-z][a-z0-9_]*$', not: { enum: NO_MATCH_FIELDS } },
        description:
          'Fields and values in ovs-ofctl syntax; a word without value is true: {"tcp": true, "nw_src": "10.0.0.0/24", "tp_dst": 80}.',
      },
    ),
  ),
  actions: Type.Unsafe<string | string[]>({
    type: ['string', 'array'],
    items: { type: 'string' },
    description:
      'Actions in ovs-ofctl syntax, as one text or a list: ["mod_vlan_vid:10", "output:2"]. Empty means drop.',
  }),
}

/** A flow as an object. */
const FlowObject = closed(properties)
type FlowObject = Type.Static<typeof FlowObject>

const FlowText = text('A flow in ovs-ofctl syntax: table=0,priority=100,tcp,tp_dst=80,actions=drop')

const FlowOrText = Type.Unsafe<string | FlowObject>({
  type: ['string', 'object'],
  description: 'A flow, as text in ovs-ofctl syntax or as an object.',
  if: { type: 'object' },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: FlowObject,
})

const { actions, ...others } = properties

/** `{flow}`, `{flows}`, or a flow as an object itself. */
export const FlowsBody = closed(
  {
    flow: optional(FlowText),
    flows: optional(Type.Array(FlowOrText, { minItems: 1 })),
    ...others,
    actions: optional(actions),
  },
  {
    description: 'One flow as text ({"flow": …}), one as an object, or many of either ({"flows": […]}), all or none.',
    title: 'an object with exactly one of flow, flows and actions',
    oneOf: ['flow', 'flows', 'actions'].map((key) => ({ required: [key] })),
    dependentRequired: Object.fromEntries(Object.keys(others).map((key) => [key, ['actions']])),
  },
)
export type FlowsBody = Type.Static<typeof FlowsBody>

/** A flow of a request, and where in the request it is. */
export interface RequestedFlow {
  flow: FlowSpec
  place: Omit<Mistake, 'detail' | 'column'>
  /** Whether `place` can be followed into the flow: it was an object. */
  isObject: boolean
}

/**
 * The flows of a JSON body, in its order.
 * @throws WrongInput with all that is wrong
 */
export function flowsOfBody(body: FlowsBody, options: FlowTextOptions): RequestedFlow[] {
  const { flow, flows, ...rest } = body
  if (flow !== undefined) return readAll([written(flow, '/flow')], options)
  if (flows === undefined) return readAll([written(rest as FlowObject, '')], options)
  return readAll(
    flows.map((one, index) => written(one, pointer('flows', index))),
    options,
  )
}

/**
 * The flows of a text, one a line; empty lines and comments are read over.
 * @throws WrongInput with all that is wrong
 */
export function flowsOfLines(lines: string, options: FlowTextOptions): RequestedFlow[] {
  const all = lines.split(/\r?\n/).map((line, index) => ({ source: line, place: { line: index + 1 } }))
  const flows = all.filter(({ source }) => !/^\s*(#|$)/.test(source))
  if (flows.length === 0) throw new WrongInput(TITLE, [{ detail: 'there is no flow; expected one a line' }])
  return readAll(flows, options)
}

/** A mistake that the controller finds in the flow at `path`, `flows[1].match.tp_dst`, told as of the request. */
export function mistakeIn(requested: readonly RequestedFlow[], { path, problem, expected }: InvalidField): Mistake {
  const [, index, within] = /^flows\[(\d+)\]\.?(.*)$/.exec(path) ?? []
  const found = requested[Number(index)]
  const detail = `${within || path}: ${problem}; expected ${expected}`
  if (found === undefined) return { detail }
  const { place, isObject } = found
  return isObject ? { detail, pointer: `${place.pointer}${pointer(...within!.split('.'))}` } : { detail, ...place }
}

const TITLE = 'The flow can not be read'

/** Flow text from a request. */
interface WrittenFlow {
  source: string
  place: RequestedFlow['place']
  laidOut?: LaidOut
}

function written(flow: string | FlowObject, at: string): WrittenFlow {
  if (typeof flow === 'string') return { source: flow, place: { pointer: at } }
  const laidOut = new LaidOut(flow)
  return { source: laidOut.text, place: { pointer: at }, laidOut }
}

function readAll(all: readonly WrittenFlow[], options: FlowTextOptions): RequestedFlow[] {
  const mistakes: Mistake[] = []
  const flows = all.flatMap(({ source, place, laidOut }) => {
    try {
      return [{ flow: parseFlow(source, options), place, isObject: laidOut !== undefined }]
    } catch (error) {
      if (!(error instanceof FlowSyntaxError)) throw error
      mistakes.push(laidOut === undefined ? inText(error, place) : inObject(error, place, laidOut))
      return []
    }
  })
  if (mistakes.length > 0) throw new WrongInput(TITLE, mistakes)
  return flows
}

const inText = ({ message, column }: FlowSyntaxError, place: RequestedFlow['place']): Mistake => ({
  detail: place.line === undefined ? message : `line ${place.line}, ${message}`,
  ...place,
  column,
})

const inObject = (error: FlowSyntaxError, place: RequestedFlow['place'], laidOut: LaidOut): Mistake => ({
  detail: sentence(error),
  pointer: `${place.pointer}${laidOut.pointerAt(error.column)}`,
})

const sentence = ({ problem, expected, didYouMean }: FlowSyntaxError) =>
  `${problem}; expected ${expected}${didYouMean === undefined ? '' : ` (did you mean '${didYouMean}'?)`}`

/** A flow object laid out as flow text, which knows where each piece of it came from. */
class LaidOut {
  text = ''
  readonly #pieces: { start: number; pointer: string }[] = []

  constructor({
    table,
    priority,
    cookie,
    idleTimeout,
    hardTimeout,
    flags = [],
    match = {},
    actions: wanted,
  }: FlowObject) {
    this.#property('table', table, 'table')
    this.#property('priority', priority, 'priority')
    this.#property('cookie', cookie, 'cookie')
    this.#property('idle_timeout', idleTimeout, 'idleTimeout')
    this.#property('hard_timeout', hardTimeout, 'hardTimeout')
    flags.forEach((name, index) => this.#add(`${name},`, pointer('flags', index)))
    for (const [field, value] of Object.entries(match))
      this.#add(value === true ? `${field},` : `${field}=${value},`, pointer('match', field))
    this.#add('actions=', '/actions')
    this.#actions(wanted)
  }

  /** JSON pointer, within the object, of what stands at the column. */
  pointerAt(column: number): string {
    return this.#pieces.findLast(({ start }) => start < column)?.pointer ?? ''
  }

  #actions(wanted: string | string[]): void {
    const isList = typeof wanted !== 'string'
    const list = isList ? wanted : [wanted]
    if (list.every((one) => one.trim() === '')) return this.#add('drop', '/actions')
    list.forEach((one, index) =>
      this.#add(index === 0 ? one : `,${one}`, isList ? pointer('actions', index) : '/actions'),
    )
  }

  #property(word: string, value: number | string | undefined, key: string): void {
    if (value !== undefined) this.#add(`${word}=${value},`, pointer(key))
  }

  #add(piece: string, at: string): void {
    this.#pieces.push({ start: this.text.length, pointer: at })
    this.text += piece
  }
}
