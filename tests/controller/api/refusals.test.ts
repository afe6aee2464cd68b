import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())

describe('problem details', () => {
  test.each([
    ['a route that is not there', 'GET', '/nowhere', undefined, 404],
    ['a path that can not be decoded', 'GET', '/vms/%zz', undefined, 400],
    ['a host that is not there', 'GET', '/hosts/h9', undefined, 404],
    ['a switch that is not there', 'GET', '/switches/h9/br-int/flows', undefined, 404],
    ['a port that is not there', 'GET', '/ports/web1:eth9', undefined, 404],
    ['a link that is not there', 'POST', '/links/down', { endpoints: ['h1', 'h2'] }, 404],
    ['a link with three ends', 'POST', '/links/down', { endpoints: ['h1', 'h2', 'h3'] }, 400],
    ['a ping of nobody', 'POST', '/ping', { from: 'web1', to: 'nobody' }, 400],
    ['a query that is not known', 'GET', '/switches/h1/br-int/flows?mach=tcp', undefined, 400],
    ['a query where there is none', 'GET', '/relocations?limit=1', undefined, 400],
    ['a migration that can not be', 'GET', '/migrations?before=12', undefined, 400],
  ] as const)('%s', async (_, method, url, payload, expected) => {
    const { status, headers, body } = await ask(live.api, method, url, payload)
    expect(status).toBe(expected)
    expect(headers['content-type']).toContain('application/problem+json')
    expect(body).toMatchObject({
      status: expected,
      type: expect.stringMatching(/^urn:/),
      title: expect.any(String),
      detail: expect.any(String),
    })
  })

  test.each([
    ['JSON that is none', '{"flow":', 'application/json', 400],
    ['a body too large', 'x'.repeat((16 << 20) + 1), 'text/plain', 413],
    ['a kind of body that is not read', '<flow/>', 'text/xml', 415],
  ])('%s', async (_, payload, type, expected) => {
    const { status, body } = await ask(live.api, 'POST', '/switches/h1/br-int/flows', payload, type)
    expect({ answered: status, ...body }).toMatchObject({ answered: expected, status: expected })
  })
})

describe('pages from elsewhere', () => {
  test.each([
    ['a page of another origin', { host: 'localhost:8080', origin: 'http://evil.example' }, 403],
    ['a name that somebody made point here', { host: 'evil.example' }, 403],
    ['our own pages', { host: 'localhost:8080', origin: 'http://localhost:8080' }, 200],
    ['an address', { host: '[::1]:8080' }, 200],
  ])('%s', async (_, headers, expected) => {
    expect((await live.api.inject({ url: '/health/live', headers })).statusCode).toBe(expected)
  })
})
