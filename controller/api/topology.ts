import { setImmediate as turn } from 'node:timers/promises'
import { Type } from 'typebox'
import { parseTopology } from '../../topologies/load.ts'
import { topologySchema, type WrittenTopology } from '../../topologies/schema/topology.ts'
import { topologyToJson } from '../../topologies/write.ts'
import type { Controller } from '../controller.ts'
import { CHANGE_HEADER, CHANGE_STAGES, CHANGE_STATES } from '../model.ts'
import type { Asked, TopologyChanges } from '../topology-writes.ts'
import type { Api } from './api.ts'
import { TooMany } from './errors.ts'
import { choice, closed, count, flag, optional, text, texts } from './schemas.ts'
import { takeText } from './text-body.ts'

const { $schema: _, $id: __, ...written } = topologySchema
const Written = Type.Unsafe<WrittenTopology>(written)

const Changes = closed({
  added: count('New.'),
  changed: count('Other than before.'),
  removed: count('Gone.'),
})

const Cut = closed(
  {
    cut: count('Connections of vNICs with security groups that no rule allows any more, or whose vNIC goes.'),
    unknown: texts('Switches that could not be asked.'),
  },
  { description: 'What its trackers know of connections that the change ends.' },
)

const PlanReport = closed({
  tag: text('What it was made of: `PUT /topology` with this as If-Match does what it says, or nothing.'),
  unchanged: flag('Nothing is to be done.'),
  objects: Type.Array(
    closed({
      kind: choice(
        ['host', 'tenant', 'network', 'VM', 'vNIC', 'security group', 'address group', 'mirror'],
        'What it is.',
      ),
      name: text('Its name.'),
      change: choice(['added', 'changed', 'removed'], 'What becomes of it.'),
      parts: texts('What of it is other than before, as the file names it.'),
    }),
    { description: 'What is other than in the topology that runs.' },
  ),
  switches: Type.Array(
    closed({
      switch: text('As h1/br-int.'),
      connected: flag('It is there to be told.'),
      flows: Changes,
      ports: Changes,
      meters: Changes,
    }),
    { description: 'What each switch would be told; those that would be told nothing are left out.' },
  ),
  notices: texts('What guests may notice.'),
  connections: Cut,
})

export function topologyRoutes(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.get(
    '/topology',
    {
      schema: {
        tags: ['topology'],
        summary: 'The topology as applied, VMs at the hosts to which migrations took them',
        response: { 200: Written },
      },
    },
    async () => topologyToJson(controller.topology),
  )
  changeRoute(api, controller)
  void api.register(async (scope: Api) => {
    takeText(scope)
    putTopology(scope, controller, changes)
    planTopology(scope, controller)
  })
}

const Change = closed({
  number: count(
    'As the answer to the request that made it, as `PUT /topology`, says in its header `signalbox-change`.',
  ),
  plan: optional(text('The tag of the plan that it carries out.')),
  name: text('That of the topology.'),
  vm: optional(text('The only VM that it is about.')),
  state: choice(
    [...CHANGE_STATES],
    'Whether it is under way. One that is done has been confirmed by all switches that are there.',
  ),
  step: count('Where segments change hands, a change is made of several; from 1.'),
  steps: count('So many.'),
  stage: choice([...CHANGE_STAGES], 'What switches do together: each begins with the next once all have come so far.'),
  confirmed: count('Switches that have confirmed it.'),
  switches: count('Switches that are told.'),
  connections: optional(Cut),
  problem: optional(text('Why it failed.')),
})

function changeRoute(api: Api, { topologies }: Controller): void {
  api.get(
    '/topology/change',
    {
      schema: {
        tags: ['topology'],
        summary: 'How far the topology has come that is being applied, or what became of the last one',
        response: { 200: Type.Array(Change, { maxItems: 1 }) },
      },
    },
    async () => (topologies.change === undefined ? [] : [topologies.change]),
  )
}

function planTopology(api: Api, controller: Controller): void {
  let planning = false
  api.post(
    '/topology/plan',
    {
      validatorCompiler: () => () => true,
      schema: {
        tags: ['topology'],
        summary: 'What this topology would change',
        description:
          'Changes nothing. `PUT /topology` with the same body, and its tag as If-Match, does it. Needs the same role, and one plan is made at a time. What switches are told may be more by then, or less, where addresses have been learned since.',
        body: Written,
        response: { 200: PlanReport },
      },
    },
    async ({ body }) => {
      if (planning) throw new TooMany('a plan is being made for somebody else; ask again when it is done')
      planning = true
      try {
        // A plan is made in one go: others have their turn first, and of those who waited meanwhile one has the next.
        await turn()
        return await controller.topologies.plan(parseTopology(body as unknown as string, 'topology'))
      } finally {
        planning = false
      }
    },
  )
}

function putTopology(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.put(
    '/topology',
    {
      validatorCompiler: () => () => true,
      schema: {
        tags: ['topology'],
        summary: 'Make the networks what this topology says',
        description:
          'Answers when every connected switch has what it asks for; it goes on where nobody waits for the answer. A topology with mistakes changes nothing. With the tag of a plan as If-Match, it does what was planned, or nothing (412). The header `signalbox-change` of the answer is the number of the change in `GET /topology/change`.',
        headers: Type.Object({ 'if-match': optional(Type.String()) }),
        body: Written,
        response: { 200: Written },
      },
    },
    async ({ body, actor, headers: { 'if-match': tag } }, reply) => {
      const topology = parseTopology(body as unknown as string, 'topology')
      const plan = tag === undefined || tag === '*' ? undefined : tag.replaceAll('"', '')
      const asked: Asked = async (_running, { number, prepare }) => {
        void reply.header(CHANGE_HEADER, number)
        await prepare(topology, plan)
        return topology
      }
      await changes.apply(asked, actor)
      return topologyToJson(controller.topology)
    },
  )
}
