// START HERE: the HTTP API. Builds the server and never listens. One file per resource; OpenAPI 3.1 comes from the schemas.

import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import Fastify from 'fastify'
import type { Controller } from '../controller.ts'
import type { TopologyChanges } from '../topology-writes.ts'
import type { Log } from '../../runtime/log.ts'
import { SILENT } from '../../runtime/log.ts'
import type { TlsSource } from '../../runtime/sockets.ts'
import { sparing } from '../../runtime/sparing-log.ts'
import type { GuardOptions } from './access.ts'
import { guard } from './access.ts'
import { decorateActor } from './actor.ts'
import type { Api } from './api.ts'
import { auditRequests, requestIdOf } from './audit.ts'
import { handleErrors, Problem, refuseUnroutable } from './errors.ts'
import { eventRoutes } from './events.ts'
import { flowRoutes } from './flows.ts'
import { healthRoutes } from './health.ts'
import { historyRoutes } from './history.ts'
import { hostRoutes } from './hosts.ts'
import type { HttpLimits } from './http-server.ts'
import { HTTP_LIMITS, httpServer, refuseNonRequest } from './http-server.ts'
import { type MetricSource, metricsRoute } from './metrics.ts'
import { mirrorRoutes } from './mirrors.ts'
import { migrationRoutes } from './migrations.ts'
import { networkRoutes } from './networks.ts'
import { policyRoutes } from './policies.ts'
import { portRoutes } from './ports.ts'
import { relocationRoutes } from './relocations.ts'
import { refuseForeignPages } from './same-origin.ts'
import { closed } from './schemas.ts'
import { switchRoutes } from './switches.ts'
import { tenantRoutes } from './tenants.ts'
import { topologyRoutes } from './topology.ts'
import { topologyVmRoutes } from './topology-vms.ts'
import { vmRoutes } from './vms.ts'

const LARGEST_BODY = 16 << 20
const READERS = 64
const DOCUMENTATION = '/docs'

export interface ServerOptions extends GuardOptions {
  version?: string
  /** Makes the networks what is asked for; the controller alone where absent. */
  changes?: TopologyChanges
  /** Routes beside the controller's own. */
  routes?: (api: Api) => void
  /** Names beside `localhost` under which clients may reach the server. */
  hostNames?: readonly string[]
  /** HTTPS with it, HTTP without. */
  certificate?: TlsSource
  /** More for /metrics. */
  metrics?: MetricSource
  limits?: HttpLimits
  /** Readers of /events at a time; 64 where absent. */
  readers?: number
  log?: Log
}

export async function buildServer(controller: Controller, options: ServerOptions = {}): Promise<Api> {
  const { log = SILENT } = options
  const api = bareServer(options, log)
  decorateActor(api)
  compileSchemas(api)
  handleErrors(api, log)
  auditRequests(api, log)
  await guard(api, options)
  refuseForeignPages(api, options)
  await describe(api, options)
  const { changes = controller } = options
  topologyRoutes(api, controller, changes)
  topologyVmRoutes(api, controller, changes)
  hostRoutes(api, controller)
  tenantRoutes(api, controller)
  networkRoutes(api, controller)
  vmRoutes(api, controller)
  portRoutes(api, controller)
  mirrorRoutes(api, controller, changes)
  policyRoutes(api, controller, changes)
  switchRoutes(api, controller)
  flowRoutes(api, controller)
  migrationRoutes(api, controller)
  relocationRoutes(api, controller)
  eventRoutes(api, controller, { log, readers: options.readers ?? READERS })
  healthRoutes(api, controller)
  metricsRoute(api, controller)
  if (options.metrics) api.metricSources.push(options.metrics)
  historyRoutes(api, controller)
  options.routes?.(api)
  return api
}

function bareServer({ limits = HTTP_LIMITS, certificate }: ServerOptions, log: Log): Api {
  const warn = sparing((line) => log.warn({}, line))
  return Fastify({
    bodyLimit: LARGEST_BODY,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    genReqId: ({ headers }) => requestIdOf(headers),
    serverFactory: (handler) => httpServer(handler, limits, certificate, warn),
    frameworkErrors: refuseUnroutable,
    clientErrorHandler: (error, socket) => refuseNonRequest(error, socket, warn),
  }).withTypeProvider<TypeBoxTypeProvider>()
}

/** Bodies must be what their schema says; queries and paths are text, so numbers and flags are read from it. */
function compileSchemas(api: Api): void {
  const common = { allErrors: true, verbose: true, strict: false } as const
  const [strict, coercing] = [new Ajv2020(common), new Ajv2020({ ...common, coerceTypes: true })]
  api.setValidatorCompiler(({ schema, httpPart }) =>
    whenAsked(() => (httpPart === 'body' ? strict : coercing).compile(schema as object)),
  )
  // The types of the handlers hold replies to their schemas.
  api.setSerializerCompiler(() => (reply) => JSON.stringify(reply))
}

/** Compiles a schema with the first request that is held against it: a start need not wait for all of them. */
function whenAsked(compile: () => ValidateFunction): Validate {
  let compiled: ValidateFunction | undefined
  const validate: Validate = (value) => {
    compiled ??= compile()
    const valid = compiled(value)
    validate.errors = compiled.errors ?? null
    return valid
  }
  return validate
}

/** Fastify asks for the errors right after the answer. */
interface Validate {
  (value: unknown): boolean
  errors?: ErrorObject[] | null
}

async function describe(api: Api, { version = '0', access }: ServerOptions): Promise<void> {
  api.addSchema(Problem)
  api.addHook('onRoute', (route) => {
    if (route.schema?.response) Object.assign(route.schema.response, FAILURES)
    // The description is no secret, and a browser that opens it has no token yet.
    if (route.url.startsWith(DOCUMENTATION)) route.config = { ...route.config, role: 'anyone', anyQuery: true }
    // What a query asks for that nobody reads would be thought to have been done.
    if (route.schema && route.config?.anyQuery !== true) route.schema.querystring ??= closed({})
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
      ...(access && {
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
        security: [{ token: [] }],
      }),
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) => (typeof $id === 'string' ? $id : `schema-${index}`),
    },
  })
  await api.register(swaggerUi, { routePrefix: DOCUMENTATION })
}

const failure = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
})

const FAILURES = {
  '4xx': failure('The request can not be done; nothing was changed.'),
  '5xx': failure('Not now, or a mistake of our own.'),
}
