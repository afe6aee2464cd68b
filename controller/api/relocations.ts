// Several VMs that go elsewhere together: a host that is drained, or has failed; hosts whose loads are made alike.

import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { DURATION_EXPECTED, DURATION_PATTERN, parseDuration } from '../../topologies/units.ts'
import type { Controller } from '../controller.ts'
import {
  BALANCED_BY,
  type BalanceOptions,
  type DrainOptions,
  RELOCATED_STATES,
  RELOCATION_KINDS,
  RELOCATION_STATES,
  type RelocationStatus,
} from '../model.ts'
import type { Relocations } from '../placement/relocations.ts'
import type { Api } from './api.ts'
import { choice, closed, count, IdParams, NameParams, nanoseconds, optional, text, texts, whole } from './schemas.ts'

const Relocation = closed({
  id: text('Its id.'),
  kind: choice([...RELOCATION_KINDS], 'What it is for.'),
  host: optional(text('The host that is drained, or has failed.')),
  state: choice([...RELOCATION_STATES], 'failed: some VMs are where they were, and say why.'),
  startedAt: nanoseconds("Instant on the controller's clock; negative where it was before the controller started."),
  endedAt: optional(nanoseconds('When all was over.')),
  parallel: count('VMs that move at the same time, at most.'),
  moves: Type.Array(
    closed({
      vm: text('VM.'),
      from: text('Host that it leaves.'),
      to: optional(text('Host that it goes to; absent where none can take it in so far.')),
      state: choice([...RELOCATED_STATES], 'How far it is.'),
      at: optional(
        text('Where it is, if it could not be moved. Of a failover: where it has been given its place, begun or not.'),
      ),
      migration: optional(text('Id of its migration.')),
      restartedAt: optional(nanoseconds('Of a failover: when it began anew, with none of its connections.')),
      tried: optional(texts('Hosts to which its moves failed.')),
      problem: optional(text('Why it stays, or what it waits for.')),
    }),
  ),
})

const MovePlan = closed({
  moves: Type.Array(
    closed({ vm: text('VM.'), from: text('Host that it is at.'), to: text('Host that it would go to.') }),
    {
      description: 'In the order in which they would be carried out.',
    },
  ),
  stuck: Type.Array(
    closed({ vm: text('VM.'), from: text('Host that it is at.'), problem: text('Why it would stay.') }),
  ),
})

const time = (description: string) => Type.String({ title: DURATION_EXPECTED, pattern: DURATION_PATTERN, description })

const MovesOrder = closed({
  parallel: optional(whole(1, 1000, 'VMs that move at the same time, at most. Default: 4.')),
  pause: optional(time('How long each guest stands still.')),
  drain: optional(time('How long frames may be on their way between hosts. Default: that of the controller.')),
})

const Balance = {
  by: optional(choice([...BALANCED_BY], 'What is to be alike at all hosts. Default: vnics.')),
  window: optional(time('How long traffic is counted before. Default: 5s.')),
}
const BalanceQuery = closed(Balance)
const RebalanceOrder = closed({ ...MovesOrder.properties, ...Balance })

const BalancePlan = closed({
  ...MovePlan.properties,
  by: choice([...BALANCED_BY], 'What makes a host busy.'),
  loads: Type.Array(
    closed({
      host: text('A host that is open.'),
      before: count('How busy it is: vNICs, VMs, or bits a second.'),
      after: count('The same once all has been moved.'),
    }),
  ),
})

/** @throws InvalidField */
const balanceOf = ({ by = 'vnics', window }: Type.Static<typeof BalanceQuery>): BalanceOptions => ({
  by: BALANCED_BY.find((one) => one === by)!,
  ...(window !== undefined && { window: parseDuration(window, 'window') }),
})

/** @throws InvalidField */
const optionsOf = ({ parallel, pause, drain }: Type.Static<typeof MovesOrder>): DrainOptions => ({
  ...(parallel !== undefined && { parallel }),
  ...(pause !== undefined && { pause: parseDuration(pause, 'pause') }),
  ...(drain !== undefined && { drain: parseDuration(drain, 'drain') }),
})

const Waiting = closed({ wait: optional(Type.Boolean({ description: 'Answer only when all has ended.' })) })

/** 202 and where to ask; or, for who waits, what has come of it. */
function answer(
  relocations: Relocations,
  started: RelocationStatus,
  { wait }: Type.Static<typeof Waiting>,
  reply: Pick<FastifyReply, 'header' | 'code'>,
): RelocationStatus | Promise<RelocationStatus> {
  void reply.header('location', `/relocations/${started.id}`)
  if (wait) return relocations.done(started.id)
  void reply.code(202)
  return started
}

export function relocationRoutes(api: Api, controller: Controller): void {
  const { relocations } = controller
  drainRoutes(api, controller)
  failRoute(api, controller)
  rebalanceRoutes(api, controller)
  const tags = ['relocations']
  api.get(
    '/relocations',
    {
      schema: {
        tags,
        summary: 'All drains, failovers and rebalancings, ended ones too',
        response: { 200: Type.Array(Relocation) },
      },
    },
    async () => relocations.all(),
  )
  api.get(
    '/relocations/:id',
    {
      schema: { tags, summary: 'One of them', params: IdParams, querystring: Waiting, response: { 200: Relocation } },
    },
    async ({ params: { id }, query }) => (query.wait ? relocations.done(id) : relocations.find(id)),
  )
  api.post(
    '/relocations/:id/abort',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Begin no more of its moves, and undo those that are under way; answers when it has ended',
        params: IdParams,
        response: { 200: Relocation },
      },
    },
    async ({ params, actor }) => relocations.abort(params.id, actor),
  )
}

function drainRoutes(api: Api, { relocations }: Controller): void {
  const tags = ['hosts']
  api.get(
    '/hosts/:name/drain',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'What a drain of the host would do now',
        params: NameParams,
        response: { 200: MovePlan },
      },
    },
    async ({ params }) => {
      const { moves, stuck } = relocations.planDrain(params.name)
      return { moves: [...moves], stuck: [...stuck] }
    },
  )
  api.post(
    '/hosts/:name/drain',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Close the host to new VMs, and move its VMs away; 202 while they move, 200 once that has ended',
        params: NameParams,
        body: MovesOrder,
        querystring: Waiting,
        response: { 200: Relocation, 202: Relocation },
      },
    },
    async ({ params, body, query, actor }, reply) =>
      answer(relocations, await relocations.drain(params.name, optionsOf(body), actor), query, reply),
  )
}

const Failure = closed({
  force: optional(
    Type.Boolean({ description: 'Also where the host is connected: its VMs are cut off then. Default: no.' }),
  ),
})

function failRoute(api: Api, { relocations }: Controller): void {
  api.post(
    '/hosts/:name/fail',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['hosts'],
        summary: 'Take the host to be gone: its VMs begin anew at others; 202 while they do, 200 once that has ended',
        params: NameParams,
        body: Failure,
        querystring: Waiting,
        response: { 200: Relocation, 202: Relocation },
      },
    },
    async ({ params, body, query, actor }, reply) =>
      answer(relocations, await relocations.failover(params.name, body.force, actor), query, reply),
  )
}

function rebalanceRoutes(api: Api, { relocations }: Controller): void {
  const tags = ['relocations']
  api.get(
    '/rebalance',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'What a rebalancing would do now; by traffic, answers once that has been counted',
        querystring: BalanceQuery,
        response: { 200: BalancePlan },
      },
    },
    async ({ query }) => {
      const { moves, loads, by } = await relocations.planRebalance(balanceOf(query))
      return { moves: [...moves], stuck: [], by, loads: [...loads] }
    },
  )
  api.post(
    '/rebalance',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Move VMs from busy hosts to less busy ones; 202 while they move, 200 once that has ended',
        body: RebalanceOrder,
        querystring: Waiting,
        response: { 200: Relocation, 202: Relocation },
      },
    },
    async ({ body, query, actor }, reply) =>
      answer(relocations, await relocations.rebalance({ ...optionsOf(body), ...balanceOf(body) }, actor), query, reply),
  )
}
