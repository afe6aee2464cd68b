import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

interface Operation {
  summary?: string
  parameters?: { name: string; in: string; required?: boolean }[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { content?: Record<string, { schema: object }> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

const ROUTES = [
  'GET /topology',
  'GET /topology/change',
  'PUT /topology',
  'GET /topology/vms/{name}',
  'PUT /topology/vms/{name}',
  'DELETE /topology/vms/{name}',
  'GET /hosts',
  'GET /hosts/{name}',
  'GET /tenants',
  'GET /mirrors',
  'POST /mirrors',
  'DELETE /mirrors/{name}',
  'GET /networks',
  'GET /networks/{name}',
  'GET /networks/{name}/groups',
  'GET /vms',
  'GET /vms/{name}',
  'GET /ports',
  'GET /ports/{id}',
  'GET /ports/{id}/policy',
  'PUT /ports/{id}/policy',
  'GET /switches',
  'GET /switches/{host}/{bridge}',
  'GET /switches/{host}/{bridge}/flows',
  'POST /switches/{host}/{bridge}/flows',
  'DELETE /switches/{host}/{bridge}/flows',
  'GET /migrations',
  'POST /migrations',
  'GET /migrations/{id}',
  'POST /migrations/{id}/abort',
  'POST /migrations/{id}/activate',
  'GET /hosts/{name}/drain',
  'POST /hosts/{name}/drain',
  'POST /hosts/{name}/undrain',
  'POST /hosts/{name}/fail',
  'GET /rebalance',
  'POST /rebalance',
  'GET /relocations',
  'GET /relocations/{id}',
  'POST /relocations/{id}/abort',
  'GET /events',
  'GET /history',
  'POST /backup',
  'GET /health',
  'GET /health/live',
  'GET /health/ready',
  'POST /ping',
  'POST /pingall',
  'POST /links/down',
  'POST /links/up',
  'GET /switches/{host}/{bridge}/cache',
  'GET /metrics',
  'GET /trace',
  'POST /topology/plan',
  'POST /trace',
]

let live: LiveLab
let document: Document
let operations: (readonly [string, Operation])[]
const ajv = new Ajv2020({ strict: false })

beforeAll(async () => {
  live = await startLiveLab()
  document = (await ask(live.api, 'GET', '/docs/json')).body as Document
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  )
})
afterAll(() => live.stop())

describe('the OpenAPI document', () => {
  test('is of version 3.1 and names every route', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(operations.map(([name]) => name).sort()).toEqual([...ROUTES].sort())
  })

  test('says of every operation what it does, what its path needs, and how it fails', () => {
    const told = operations.map(([name, { summary = '', parameters = [], responses }]) => ({
      name,
      summary: summary.length > 0,
      inPath: parameters.flatMap((one) => (one.in === 'path' ? [`{${one.name}}`] : [])),
      fails: '4XX' in responses,
    }))
    const wanted = operations.map(([name]) => ({
      name,
      summary: true,
      inPath: name.match(/\{\w+\}/g) ?? [],
      fails: true,
    }))
    expect(told).toEqual(wanted)
  })

  test('knows all that a query may say, and nothing else is overlooked', async () => {
    // Of what a request with a body is told, the body is the first.
    for (const [name] of operations.filter(([, { requestBody }]) => requestBody === undefined)) {
      const [method, path] = name.split(' ') as ['GET', string]
      const url = `${path.replaceAll(/\{\w+\}/g, 'h1')}?nonsense=1`
      const { statusCode, body } = await live.api.inject({ method, url })
      const refused = body.includes('query nonsense: is not a key that is known here')
      const isOpen = path === '/metrics'
      expect({ name, statusCode, refused }).toEqual({ name, statusCode: isOpen ? 200 : 400, refused: !isOpen })
    }
  })

  test('has schemas that are schemas, and refers to nothing that is not there', () => {
    const schemas = operations.flatMap(([, { requestBody, responses }]) =>
      [requestBody, ...Object.values(responses)].flatMap((one) => Object.values(one?.content ?? {})),
    )
    expect(schemas.length).toBeGreaterThan(operations.length)
    for (const { schema } of schemas) expect(() => compile(schema)).not.toThrow()
  })
})

// This network keeps no history; history.test.ts has one that does.
test('what every GET answers is what the document says', async () => {
  await ask(live.api, 'POST', '/switches/h1/br-int/flows', { flow: 'priority=5,tcp,tp_dst=80,actions=drop' })
  await ask(live.api, 'POST', '/migrations?wait=true', { vm: 'web1', to: 'h2' })
  await ask(live.api, 'POST', '/hosts/h1/drain?wait=true', {})
  const ids = { ports: 'web1:eth0', migrations: 'm1', relocations: 'r1' }
  const named = { name: { hosts: 'h1', networks: 'blue', vms: 'web1' }, id: ids }
  const gets = operations.filter(([name]) => name.startsWith('GET ') && !/\/(events|metrics|history)$/.test(name))
  for (const [name, { responses }] of gets) {
    const kind = name.split('/').find((part) => part in named.name || part in named.id)!
    const url = name
      .slice('GET '.length)
      .replace('{name}', named.name[kind as keyof typeof named.name])
      .replace('{id}', named.id[kind as keyof typeof named.id])
      .replace('{host}/{bridge}', 'h1/br-int')
      .replace('/trace', '/trace?at=web1&flow=icmp')
    const { status, body } = await ask(live.api, 'GET', url)
    const holds = compile(responses['200']!.content!['application/json']!.schema)
    expect({ url, status, errors: holds(body) ? [] : holds.errors }).toEqual({ url, status: 200, errors: [] })
  }
})

/** The schema alone, with what it refers to. */
function compile(schema: object) {
  return ajv.compile({ ...schema, components: document.components })
}
