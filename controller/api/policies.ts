// The policy of one vNIC, as the topology's file would have it.

import { Type } from 'typebox'
import { vmNamed } from '../../topologies/lookup.ts'
import { parsePolicy, policyToJson } from '../../topologies/policy.ts'
import { Policy, type WrittenPolicy } from '../../topologies/schema/topology.ts'
import type { Controller } from '../controller.ts'
import { NotFound } from '../model.ts'
import type { TopologyChanges } from '../topology-writes.ts'
import type { Api } from './api.ts'
import { IdParams } from './schemas.ts'

const Written = Type.Unsafe<WrittenPolicy>(Policy)

export function policyRoutes(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.get(
    '/ports/:id/policy',
    {
      schema: {
        tags: ['ports'],
        summary: "One vNIC's policy, as in a topology's file",
        params: IdParams,
        response: { 200: Written },
      },
    },
    async ({ params }) => {
      checkKnown(controller, params.id)
      return policyToJson(controller.topology, params.id)
    },
  )
  api.put(
    '/ports/:id/policy',
    {
      // What is wrong is told as it is of a file.
      validatorCompiler: () => () => true,
      schema: {
        tags: ['ports'],
        summary: "Make one vNIC's policy this, whole",
        description:
          'What is left out is as in a file that leaves it out. Answers when every connected switch that it concerns has it; no other object is touched.',
        params: IdParams,
        body: Written,
        response: { 200: Written },
      },
    },
    async ({ params: { id }, body, actor }) => {
      checkKnown(controller, id)
      await changes.setPolicy(id, (running) => parsePolicy(body, running, id), actor)
      return policyToJson(controller.topology, id)
    },
  )
}

/** @throws NotFound */
function checkKnown({ topology: { vms } }: Controller, id: string): void {
  const [vm = ''] = id.split(':')
  if (vmNamed(vms, vm)?.nics.some((nic) => nic.id === id)) return
  const known = vms.flatMap(({ nics }) => nics.map((nic) => nic.id))
  throw new NotFound('port', id, known)
}
