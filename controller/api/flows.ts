import { Type } from 'typebox'
import type { FlowFilter, FlowSpec, FlowStatistics } from '../../protocols/control/messages.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { parseFlow, parseFlowFilter } from '../../protocols/flow-text/parse.ts'
import { printFlow, printFlowStatistics, printInstructions, printMatch } from '../../protocols/flow-text/print.ts'
import type { FlowTextOptions } from '../../protocols/flow-text/ports.ts'
import { words } from '../../protocols/flow-text/words.ts'
import type { Controller } from '../controller.ts'
import type { SwitchStatus } from '../model.ts'
import { portNames } from '../port-names.ts'
import { switchNamed } from '../switch-named.ts'
import { appOfCookie } from '../tables.ts'
import type { Api } from './api.ts'
import { WrongInput } from './errors.ts'
import { FlowsBody, flowsOfBody, flowsOfLines, mistakeIn, type RequestedFlow } from './flow-requests.ts'
import { asHexadecimal, closed, count, flag, hexadecimal, optional, SwitchParams, text, texts } from './schemas.ts'

const InstalledFlow = closed({
  text: text('As ovs-ofctl dump-flows prints it.'),
  owner: text("'user', or the part of the controller that wrote it."),
  table: count('Table.'),
  priority: count('Priority.'),
  cookie: hexadecimal('Cookie.'),
  idleTimeout: count('Seconds without a frame until it goes; 0 for never.'),
  hardTimeout: count('Seconds until it goes; 0 for never.'),
  flags: texts('As ovs-ofctl names them.'),
  match: Type.Record(Type.String(), Type.Union([Type.String(), Type.Literal(true)]), {
    description: 'Fields and values in ovs-ofctl syntax; a word without value is true.',
  }),
  actions: texts('Actions in ovs-ofctl syntax; none means drop.'),
  duration: Type.Number({ description: 'Seconds since it was added.' }),
  idleAge: Type.Number({ description: 'Seconds since a frame matched, or since it was added.' }),
  packets: count('Frames that matched.'),
  bytes: count('Bytes of them.'),
})

const Added = closed({
  added: count('Flows that are in place now.'),
  flows: texts('Each as ovs-ofctl would print it.'),
})
const Deleted = closed({ deleted: count('Flows that are gone now.') })

const Filter = closed({ match: optional(text('Which flows, in ovs-ofctl syntax: table=0,tcp. Default: all.')) })
const DeleteFilter = closed({
  ...Filter.properties,
  strict: optional(flag('Only the very flow that table, priority and match identify, as del-flows --strict.')),
})

const PATH = '/switches/:host/:bridge/flows'

export function flowRoutes(api: Api, controller: Controller): void {
  dumpRoute(api, controller)
  addRoute(api, controller)
  deleteRoute(api, controller)
}

function dumpRoute(api: Api, controller: Controller): void {
  api.get(
    PATH,
    {
      schema: {
        tags: ['flows'],
        summary: "A switch's flows, with what they have counted",
        description: 'As JSON, or with `Accept: text/plain` as ovs-ofctl dump-flows prints them.',
        params: SwitchParams,
        querystring: Filter,
        response: {
          200: {
            description: 'The flows.',
            content: {
              'application/json': { schema: Type.Array(InstalledFlow) },
              'text/plain': { schema: Type.String() },
            },
          },
        },
      },
    },
    async ({ params, query, headers }, reply) => {
      const { name, options } = target(controller, params)
      const flows = await controller.dumpFlows(name, parseFlowFilter(query.match ?? '', options))
      if (!prefersText(headers.accept)) return flows.map((flow) => flowJson(flow, options))
      void reply.type('text/plain; charset=utf-8')
      return flows.map((flow) => `${printFlowStatistics(flow, options)}\n`).join('')
    },
  )
}

function addRoute(api: Api, controller: Controller): void {
  api.post(
    PATH,
    {
      config: { role: 'operator' },
      schema: {
        tags: ['flows'],
        summary: 'Add flows, all or none',
        description: 'As JSON, or as text/plain with one flow a line in ovs-ofctl syntax. Answers after the barrier.',
        params: SwitchParams,
        body: { content: { 'application/json': { schema: FlowsBody }, 'text/plain': { schema: Type.String() } } },
        response: { 201: Added },
      },
    },
    async ({ params, body, actor }, reply) => {
      const { name, options } = target(controller, params)
      const wanted = typeof body === 'string' ? flowsOfLines(body, options) : flowsOfBody(body as FlowsBody, options)
      await add(controller, name, wanted, actor)
      void reply.code(201)
      return { added: wanted.length, flows: wanted.map(({ flow }) => printFlow(flow, options).trim()) }
    },
  )
}

async function add(controller: Controller, name: string, wanted: readonly RequestedFlow[], by: string): Promise<void> {
  try {
    await controller.addFlows(
      wanted.map(({ flow }) => ({ switch: name, flow })),
      by,
    )
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error
    throw new WrongInput('The flow may not be', [mistakeIn(wanted, error)])
  }
}

function deleteRoute(api: Api, controller: Controller): void {
  api.delete(
    PATH,
    {
      config: { role: 'operator' },
      schema: {
        tags: ['flows'],
        summary: "Delete users' flows",
        params: SwitchParams,
        querystring: DeleteFilter,
        response: { 200: Deleted },
      },
    },
    async ({ params, query: { match = '', strict = false }, actor }) => {
      const { name, options } = target(controller, params)
      if (!strict) {
        const filter = parseFlowFilter(match, options)
        return { deleted: await controller.deleteFlows(name, filter, undefined, actor) }
      }
      const flow = parseFlow(`${match} actions=drop`, options)
      return { deleted: await controller.deleteFlows(name, exactly(flow), flow, actor) }
    },
  )
}

const exactly = ({ table, match }: FlowSpec): FlowFilter => ({ table, match, cookie: 0n, cookieMask: 0n })

function target(controller: Controller, { host, bridge }: { host: string; bridge: string }) {
  const found: SwitchStatus = switchNamed(controller, `${host}/${bridge}`)
  return { name: found.name, options: { ports: portNames(found) } }
}

/** True where text/plain is asked for ahead of JSON. */
function prefersText(accept = ''): boolean {
  const [plain, json] = [accept.indexOf('text/plain'), accept.indexOf('application/json')]
  return plain >= 0 && (json < 0 || plain < json)
}

const FLAGS = { sendFlowRemoved: 'send_flow_rem', checkOverlap: 'check_overlap', resetCounts: 'reset_counts' } as const

function flowJson(flow: FlowStatistics, options: FlowTextOptions): Type.Static<typeof InstalledFlow> {
  const { table, priority, cookie, idleTimeout, hardTimeout } = flow
  const instructions = printInstructions(flow.instructions, options)
  return {
    text: printFlowStatistics(flow, options).trim(),
    owner: appOfCookie(cookie) ?? 'user',
    table,
    priority,
    cookie: asHexadecimal(cookie),
    idleTimeout,
    hardTimeout,
    flags: Object.entries(FLAGS).flatMap(([key, name]) => (flow.flags[key as keyof typeof FLAGS] ? [name] : [])),
    match: matchJson(printMatch(flow.match, options)),
    actions: instructions === 'drop' ? [] : words({ text: instructions, column: 1 }).map(({ whole }) => whole.text),
    duration: seconds(flow.duration),
    idleAge: seconds(flow.idleAge),
    packets: Number(flow.packets),
    bytes: Number(flow.bytes),
  }
}

const matchJson = (match: string): Record<string, string | true> =>
  Object.fromEntries(words({ text: match, column: 1 }).map(({ key, value }) => [key.text, value?.text ?? true]))

const seconds = (nanoseconds: bigint) => Number(nanoseconds / 1_000_000n) / 1000
