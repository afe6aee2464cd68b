import { setImmediate as turn } from 'node:timers/promises'
import { Type } from 'typebox'
import { parseTopology } from '../../topologies/load.ts'
import { topologySchema, type WrittenTopology } from '../../topologies/schema/topology.ts'
import type { Topology } from '../../topologies/topology.ts'
import { topologyToJson } from '../../topologies/write.ts'
import type { Controller } from '../controller.ts'
import type { Api } from './api.ts'
import { TooMany } from './errors.ts'
import { choice, closed, count, flag, text, texts } from './schemas.ts'

const { $schema: _, $id: __, ...written } = topologySchema
const Written = Type.Unsafe<WrittenTopology>(written)

const Changes = closed({
  added: count('New.'),
  changed: count('Other than before.'),
  removed: count('Gone.'),
})

const PlanReport = closed({
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
})

/** Makes the network what a topology says, for whoever asked. */
export type Apply = (topology: Topology, by: string) => Promise<void>

export function topologyRoutes(api: Api, controller: Controller, apply: Apply): void {
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
  void api.register(async (scope: Api) => {
    takeText(scope)
    putTopology(scope, controller, apply)
    planTopology(scope, controller)
  })
}

/** Reads the body as text, so that mistakes are told with their line, all of them at once. */
function takeText(api: Api): void {
  api.removeContentTypeParser('application/json')
  api.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
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
          'Changes nothing. `PUT /topology` with the same body would do it, if nothing else happens before. Needs the same role, and one plan is made at a time.',
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
        return controller.plan(parseTopology(body as unknown as string, 'topology'))
      } finally {
        planning = false
      }
    },
  )
}

function putTopology(api: Api, controller: Controller, apply: Apply): void {
  api.put(
    '/topology',
    {
      validatorCompiler: () => () => true,
      schema: {
        tags: ['topology'],
        summary: 'Make the networks what this topology says',
        description:
          'Answers when every connected switch has what it asks for. A topology with mistakes changes nothing.',
        body: Written,
        response: { 200: Written },
      },
    },
    async ({ body, actor }) => {
      await apply(parseTopology(body as unknown as string, 'topology'), actor)
      return topologyToJson(controller.topology)
    },
  )
}
