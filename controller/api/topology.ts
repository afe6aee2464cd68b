import { Type } from 'typebox'
import { parseTopology } from '../../topologies/load.ts'
import { topologySchema, type WrittenTopology } from '../../topologies/schema/topology.ts'
import type { Topology } from '../../topologies/topology.ts'
import { topologyToJson } from '../../topologies/write.ts'
import type { Controller } from '../controller.ts'
import type { Api } from './api.ts'

const { $schema: _, $id: __, ...written } = topologySchema
const Written = Type.Unsafe<WrittenTopology>(written)

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
  void api.register(async (scope: Api) => putTopology(scope, controller, apply))
}

/** Reads the body as text, so that mistakes are told with their line, all of them at once. */
function putTopology(api: Api, controller: Controller, apply: Apply): void {
  api.removeContentTypeParser('application/json')
  api.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
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
