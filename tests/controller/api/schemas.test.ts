// The server compiles a schema with the first request that is held against it, where one that can't be compiled is a 500. Here all of
// them are compiled as it starts.

import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Api } from '../../../controller/api/api.ts'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

interface Operation {
  parameters?: { in: string }[]
  requestBody?: object
}

let live: LiveLab
let compiled: Set<string>

beforeEach(async () => {
  live = await startLiveLab()
  compiled = compileAtStart(live.api)
})
afterEach(() => live.stop())

/** Holds something against every schema that the server compiles. @returns which parts of which routes that was */
function compileAtStart(api: Api): Set<string> {
  const parts = new Set<string>()
  const compiler = api.validatorCompiler!
  api.setValidatorCompiler((route) => {
    const validate = compiler(route)
    validate({})
    parts.add(`${route.method} ${route.url} ${route.httpPart}`.replaceAll(/:(\w+)/g, '{$1}'))
    return validate
  })
  return parts
}

/** Nothing that is asked of these is held against a schema: it is read as a file is. */
const READ_AS_FILES = [
  'POST /mirrors',
  'POST /topology/plan',
  'PUT /ports/{id}/policy',
  'PUT /topology',
  'PUT /topology/vms/{name}',
]

const HTTP_PARTS: Record<string, string> = { path: 'params', query: 'querystring', header: 'headers' }

/** Parts of requests that the OpenAPI document describes. */
async function described(api: Api): Promise<Set<string>> {
  const { paths } = (await ask(api, 'GET', '/docs/json')).body as { paths: Record<string, Record<string, Operation>> }
  const parts = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]) =>
      [...parameters.map((one) => HTTP_PARTS[one.in]), ...(requestBody ? ['body'] : [])].map(
        (part) => `${method.toUpperCase()} ${path} ${part}`,
      ),
    ),
  )
  return new Set(parts)
}

test('the schemas of all routes can be compiled', async () => {
  await live.api.ready()
  const wanted = await described(live.api)
  expect(wanted.size).toBeGreaterThan(30)
  const others = [...wanted].filter((part) => !compiled.has(part)).map((part) => part.replace(/ \w+$/, ''))
  expect([...new Set(others)].sort()).toEqual(READ_AS_FILES)
})

test('a schema that is wrong is found', async () => {
  live.api.post('/wrong', { schema: { body: { type: 'strin' } } }, () => 'never')
  await expect(live.api.ready()).rejects.toThrow(/POST: \/wrong.*schema is invalid/)
})
