import { Type } from 'typebox'
import { mirrorToJson, withMirror, withoutMirror } from '../../topologies/mirror-change.ts'
import { Mirror as WrittenForm, type WrittenMirror } from '../../topologies/schema/mirrors.ts'
import type { Mirror, Topology } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { NotFound } from '../model.ts'
import type { TopologyChanges } from '../topology-writes.ts'
import type { Api } from './api.ts'
import { NameParams } from './schemas.ts'
import { PER_TENANT, tenantAsked, TenantQuery } from './tenants.ts'

const Written = Type.Unsafe<WrittenMirror>(WrittenForm)

export function mirrorRoutes(api: Api, controller: Controller, changes: TopologyChanges): void {
  listMirrors(api, controller)
  addMirror(api, controller, changes)
  removeMirror(api, controller, changes)
}

function listMirrors(api: Api, controller: Controller): void {
  api.get(
    '/mirrors',
    {
      config: PER_TENANT,
      schema: {
        tags: ['mirrors'],
        summary: 'All mirrors, or those of a tenant',
        querystring: TenantQuery,
        response: { 200: Type.Array(Written) },
      },
    },
    async ({ query, tenant, actor }) => {
      const asked = tenantAsked({ tenant, actor }, query.tenant, controller.topology)
      const { mirrors = [] } = controller.topology
      return mirrors
        .filter((mirror) => asked === undefined || mirror.tenant === asked)
        .map((mirror) => mirrorToJson(mirror, controller.topology))
    },
  )
}

function addMirror(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.post(
    '/mirrors',
    {
      // What is wrong is told as it is of a file.
      validatorCompiler: () => () => true,
      schema: {
        tags: ['mirrors'],
        summary: 'Copy what vNICs say and hear to somebody who looks on',
        description: 'Answers when every connected switch that it concerns has it.',
        body: Written,
        response: { 201: Written },
      },
    },
    async ({ body, actor }, reply) => {
      let added: Mirror | undefined
      await changes.apply((running) => {
        const changed = withMirror(running, body)
        added = changed.mirrors!.at(-1)
        return withMirrorsOf(changed, controller)
      }, actor)
      void reply.code(201)
      return mirrorToJson(added!, controller.topology)
    },
  )
}

function removeMirror(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.delete(
    '/mirrors/:name',
    {
      schema: {
        tags: ['mirrors'],
        summary: 'Copy no more',
        params: NameParams,
        response: { 200: Written },
      },
    },
    async ({ params: { name }, actor }) => {
      let removed: Mirror | undefined
      await changes.apply((running) => {
        const { mirrors = [] } = running
        removed = mirrors.find((mirror) => mirror.name === name)
        if (removed !== undefined) return withMirrorsOf(withoutMirror(running, name), controller)
        const known = mirrors.map((mirror) => mirror.name)
        throw new NotFound('mirror', name, known)
      }, actor)
      return mirrorToJson(removed!, controller.topology)
    },
  )
}

/** What was asked for with other mirrors: where moves have brought VMs since is not what somebody has asked for. */
function withMirrorsOf({ mirrors }: Topology, { topologies }: Controller): Topology {
  const { mirrors: _, ...asked } = topologies.asked!
  return { ...asked, ...(mirrors && { mirrors }) }
}
