// START HERE: the HTTP API. Builds the server and never listens. One file per resource; OpenAPI 3.1 comes from the schemas.

import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Ajv2020 } from 'ajv/dist/2020.js'
import Fastify from 'fastify'
import type { Controller } from '../controller.ts'
import { decorateActor } from './actor.ts'
import type { Api } from './api.ts'
import { handleErrors, Problem } from './errors.ts'
import { eventRoutes } from './events.ts'
import { flowRoutes } from './flows.ts'
import { healthRoutes } from './health.ts'
import { hostRoutes } from './hosts.ts'
import { migrationRoutes } from './migrations.ts'
import { networkRoutes } from './networks.ts'
import { portRoutes } from './ports.ts'
import { refuseForeignPages } from './same-origin.ts'
import { switchRoutes } from './switches.ts'
import { type Apply, topologyRoutes } from './topology.ts'
import { vmRoutes } from './vms.ts'

const LARGEST_BODY = 16 << 20

export interface ServerOptions {
  version?: string
  /** Makes the network what a topology says; the controller alone where absent. */
  apply?: Apply
  /** Routes beside the controller's own. */
  routes?: (api: Api) => void
  /** Names beside `localhost` under which clients may reach the server. */
  hostNames?: readonly string[]
  log?: (line: string) => void
}

export async function buildServer(controller: Controller, options: ServerOptions = {}): Promise<Api> {
  const api: Api = Fastify({
    bodyLimit: LARGEST_BODY,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
  }).withTypeProvider<TypeBoxTypeProvider>()
  decorateActor(api)
  compileSchemas(api)
  handleErrors(api, options.log ?? ((line) => process.stderr.write(`${line}\n`)))
  refuseForeignPages(api, options.hostNames)
  await describe(api, options.version ?? '0')
  topologyRoutes(api, controller, options.apply ?? ((topology, by) => controller.apply(topology, by)))
  hostRoutes(api, controller)
  networkRoutes(api, controller)
  vmRoutes(api, controller)
  portRoutes(api, controller)
  switchRoutes(api, controller)
  flowRoutes(api, controller)
  migrationRoutes(api, controller)
  eventRoutes(api, controller)
  healthRoutes(api, controller)
  options.routes?.(api)
  return api
}

/** Bodies must be what their schema says; queries and paths are text, so numbers and flags are read from it. */
function compileSchemas(api: Api): void {
  const common = { allErrors: true, verbose: true, strict: false } as const
  const [strict, coercing] = [new Ajv2020(common), new Ajv2020({ ...common, coerceTypes: true })]
  api.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === 'body' ? strict : coercing).compile(schema as object),
  )
  // The types of the handlers hold replies to their schemas.
  api.setSerializerCompiler(() => (reply) => JSON.stringify(reply))
}

async function describe(api: Api, version: string): Promise<void> {
  api.addSchema(Problem)
  api.addHook('onRoute', ({ schema }) => {
    if (schema?.response) Object.assign(schema.response, FAILURES)
  })
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Signalbox',
        version,
        description:
          'A controller and its virtual networks. Flows are written in the syntax of ovs-ofctl(8). A write answers when every switch concerned has confirmed it.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) => (typeof $id === 'string' ? $id : `schema-${index}`),
    },
  })
  await api.register(swaggerUi, { routePrefix: '/docs' })
}

const failure = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
})

const FAILURES = {
  '4xx': failure('The request can not be done; nothing was changed.'),
  '5xx': failure('Not now, or a mistake of our own.'),
}
