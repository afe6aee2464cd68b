import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hashOf, parseTokens, type Role, type Token } from '../../../controller/api/tokens.ts'
import { smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'
import { testLog, type TestLog } from '../../support/test-log.ts'

const NOW = Date.parse('2030-01-01T00:00:00Z')
const secretOf = (name: string) => `sbx_secret-of-${name}`
const token = (name: string, role: Role, expires?: string): Token => ({
  name,
  role,
  sha256: hashOf(secretOf(name)),
  ...(expires !== undefined && { expires }),
})

let live: LiveLab
let log: TestLog
let tokens: Token[]
beforeAll(async () => {
  tokens = [
    token('vic', 'viewer'),
    token('olga', 'operator', '2030-01-02T00:00:00Z'),
    token('ada', 'admin'),
    token('past', 'admin', '2029-12-31T23:59:59Z'),
  ]
  log = await testLog()
  live = await startLiveLab({
    access: { tokens: () => tokens, now: () => NOW },
    rateLimit: { requestsPerSecond: 10_000, now: Date.now },
    log,
  })
})
afterAll(() => live.stop())

interface Wish {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  payload?: object
  headers?: Record<string, string>
}

function ask(name: string | undefined, { headers, ...wish }: Wish) {
  const authorization = name === undefined ? {} : { authorization: `Bearer ${secretOf(name)}` }
  return live.api.inject({ ...wish, headers: { ...authorization, ...headers } })
}

const FLOWS = '/switches/h1/br-int/flows'
const READ: Wish = { url: '/topology' }
const OPERATE: Wish[] = [
  { method: 'POST', url: FLOWS, payload: { flow: 'priority=7,udp,actions=drop' } },
  { method: 'DELETE', url: `${FLOWS}?match=udp` },
  { method: 'POST', url: '/ping', payload: { from: 'web1', to: 'db1' } },
  { method: 'POST', url: '/migrations?wait=true', payload: { vm: 'web1', to: 'h2' } },
  { method: 'GET', url: '/rebalance' },
]
const ADMINISTER: Wish[] = [{ method: 'PUT', url: '/topology', payload: smallTopology() }]

describe('roles', () => {
  test.each([
    ['vic', [200, 403, 403]],
    ['olga', [200, 200, 403]],
    ['ada', [200, 200, 200]],
  ] as const)('%s may read, operate, administer: %j', async (name, expected) => {
    const statuses = await Promise.all(
      [[READ], OPERATE, ADMINISTER].map(async (wishes) => {
        const all: number[] = []
        for (const wish of wishes) all.push((await ask(name, wish)).statusCode)
        return all.map((status) => (status === 201 ? 200 : status))
      }),
    )
    expect(statuses.map((all) => [...new Set(all)])).toEqual(expected.map((status) => [status]))
  })

  test('a refusal says which role it takes, and changes nothing', async () => {
    const answer = await ask('vic', OPERATE[0]!)
    expect(answer.json()).toMatchObject({ status: 403, detail: "this needs the role operator; 'vic' is viewer" })
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer .*error="insufficient_scope", scope="operator"$/)
    const dump = await ask('vic', { url: FLOWS, headers: { accept: 'text/plain' } })
    expect(dump.body).not.toContain('priority=7')
  })

  test.each(['vic', 'olga'])('%s may not have a topology planned', async (name) => {
    const answer = await ask(name, { method: 'POST', url: '/topology/plan', payload: smallTopology() })
    expect(answer.statusCode).toBe(403)
  })

  test('to ask where a frame would go is to read', async () => {
    expect((await ask('vic', { url: '/trace?at=web1&flow=icmp' })).statusCode).toBe(200)
    const posted = await ask('vic', { method: 'POST', url: '/trace', payload: { at: 'web1', flow: 'icmp' } })
    expect(posted.statusCode).toBe(200)
  })
})

describe('whoever is not known', () => {
  test.each([
    ['without a token', undefined, /show a token/, /^Bearer realm="signalbox"$/],
    ['with a token of nobody', 'nobody', /nobody has this token/, /error="invalid_token"/],
    ['with an expired token', 'past', /the token of 'past' expired at 2029-12-31T23:59:59Z/, /error="invalid_token"/],
  ] as const)('%s gets 401 for all there is and is not', async (_, name, why, challenge) => {
    for (const wish of [
      READ,
      ...OPERATE,
      ...ADMINISTER,
      { url: '/nowhere' },
      { url: '/metrics' },
      { url: '/events' },
    ]) {
      const answer = await ask(name, wish)
      expect(answer.json()).toMatchObject({ status: 401, detail: expect.stringMatching(why) })
      expect(answer.headers['www-authenticate']).toMatch(challenge)
      expect(answer.headers['connection']).toBe('close')
    }
  })

  test('learns that the process lives, and reads the documentation', async () => {
    for (const url of ['/health/live', '/docs/json', '/docs/static/index.css'])
      expect((await ask(undefined, { url })).statusCode).toBe(200)
    expect((await ask(undefined, { url: '/health/ready' })).statusCode).toBe(401)
    const { components } = (await ask(undefined, { url: '/docs/json' })).json<{ components: object }>()
    expect(components).toMatchObject({ securitySchemes: { token: { scheme: 'bearer' } } })
  })

  test('a token that has been taken out is worth nothing from then on', async () => {
    const before = tokens
    expect((await ask('vic', READ)).statusCode).toBe(200)
    tokens = before.filter(({ name }) => name !== 'vic')
    expect((await ask('vic', READ)).statusCode).toBe(401)
    tokens = before
  })
})

test('of a burst as many are answered as may come in a second, and the others are told when to come again', async () => {
  // It is one second all the time.
  const limited = await startLiveLab({ rateLimit: { requestsPerSecond: 20, now: () => NOW }, log })
  const answers = await Promise.all(Array.from({ length: 100 }, () => limited.api.inject({ url: '/topology' })))
  const statuses = answers.map(({ statusCode }) => statusCode)
  expect(statuses.filter((status) => status === 200)).toHaveLength(20)
  const refused = answers.filter(({ statusCode }) => statusCode === 429)
  expect(refused).toHaveLength(80)
  for (const { headers } of refused) expect(Number(headers['retry-after'])).toBe(1)
  await limited.stop()
})

describe('the log', () => {
  const audits = () =>
    log.lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line['audit'] === true)

  test('has a line for each write: who, what, with what result, and under which id', async () => {
    for (const [name, status] of [
      ['ada', 201],
      ['vic', 403],
      [undefined, 401],
    ] as const) {
      log.lines.length = 0
      const answer = await ask(name, { ...OPERATE[0]!, headers: { 'x-request-id': 'call-17' } })
      await ask(name, READ)
      expect(answer.headers['x-request-id']).toBe('call-17')
      expect(audits()).toEqual([
        expect.objectContaining({
          actor: name ?? 'anonymous',
          method: 'POST',
          path: FLOWS,
          status,
          requestId: 'call-17',
          level: 'info',
        }),
      ])
    }
    expect((await ask('ada', READ)).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  test.each([
    ['past', "the token of 'past' expired at 2029-12-31T23:59:59Z"],
    ['nobody', 'nobody has this token'],
  ])('warns of the token of %s, also where it only wants to read', async (name, why) => {
    const warnings = () => log.lines.filter((line) => line.includes('"level":"warn"') && line.includes(why))
    await vi.waitFor(
      async () => {
        log.lines.length = 0
        await ask(name, READ)
        expect(warnings()).toEqual([expect.stringContaining(`127.0.0.1: anonymous: GET /topology: 401: ${why}`)])
      },
      { timeout: 100_000 },
    )
  })

  test('has the address of whoever came over IPv4 as such', async () => {
    log.lines.length = 0
    const headers = { authorization: `Bearer ${secretOf('ada')}` }
    await live.api.inject({ method: 'DELETE', url: FLOWS, headers, remoteAddress: '::ffff:192.0.2.7' })
    expect(audits()).toEqual([expect.objectContaining({ actor: 'ada', address: '192.0.2.7' })])
  })

  test('names who asked also where a page from elsewhere is refused', async () => {
    log.lines.length = 0
    const answer = await ask('ada', { ...OPERATE[0]!, headers: { origin: 'http://elsewhere.example' } })
    expect(answer.statusCode).toBe(403)
    expect(audits()).toEqual([expect.objectContaining({ actor: 'ada', status: 403 })])
  })

  test('takes no id that could pass for more than an id', async () => {
    const answer = await ask('ada', { ...READ, headers: { 'x-request-id': '"} forged' } })
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('holds no secret, whatever way it came', async () => {
    log.lines.length = 0
    const secret = secretOf('ada')
    const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n'
    await ask('ada', { ...READ, headers: { 'x-request-id': secret } })
    await ask('ada', { url: `/hosts/${secret}?token=${secret}` })
    await ask('ada', { method: 'DELETE', url: `${FLOWS}?match=${secret}` })
    await ask('ada', { method: 'POST', url: FLOWS, payload: { flow: secret } })
    await ask(undefined, { ...READ, headers: { authorization: `Basic ${secret}` } })
    log.error({ authorization: 'Bearer other', nested: { token: 'other' } }, `it is ${secret} and ${key}`)
    expect(log.lines.length).toBeGreaterThan(5)
    const all = log.lines.join('')
    expect(all).not.toContain(secret)
    expect(all).not.toContain('MIGH')
    expect(all).not.toContain('other')
    expect(all).not.toContain(hashOf(secret))
  })
})

test('whoever asks too often is told when to come back, and others are answered', async () => {
  const other = await startLiveLab({
    access: { tokens: () => tokens, now: () => NOW },
    rateLimit: { requestsPerSecond: 5, now: () => NOW },
  })
  const as = (name: string, url: string) =>
    other.api.inject({ url, headers: { authorization: `Bearer ${secretOf(name)}` } })
  /** The answers to one after the other, up to the first that is refused for being one too many. */
  const flood = async (name: string, url: string) => {
    for (const statuses = new Set<number>(); ;) {
      const answer = await as(name, url)
      if (answer.statusCode === 429) return { statuses: [...statuses], refused: answer }
      statuses.add(answer.statusCode)
    }
  }
  const { statuses, refused } = await flood('olga', '/health')
  expect(statuses).toEqual([200])
  expect(refused.headers['content-type']).toContain('application/problem+json')
  expect(refused.headers['retry-after']).toBe('1')
  expect(refused.json()).toMatchObject({ status: 429, detail: 'more than 5 requests in a second' })
  expect((await as('ada', '/health')).statusCode).toBe(200)
  // Guesses count too, and for what is not there.
  expect((await flood('nobody', '/nowhere')).statuses).toEqual([401])
  expect((await as('ada', '/health')).statusCode).toBe(200)
  await other.stop()
})

test.each([
  ['{', /not JSON/],
  ['{}', /must be array/],
  ['[{"name":"a"}]', /\/0 must have required/],
  [JSON.stringify([{ ...token('a', 'viewer'), role: 'root' }]), /\/0\/role must be equal to one of/],
  [JSON.stringify([{ ...token('a', 'viewer'), expires: 'soon' }]), /\/0\/expires must match format/],
  [JSON.stringify([{ ...token('a', 'viewer'), token: 'sbx_x' }]), /must NOT have additional/],
  [JSON.stringify([token('a', 'viewer'), token('a', 'admin')]), /two tokens are named 'a'/],
  [
    JSON.stringify([{ ...token('a', 'operator'), tenant: 'red' }]),
    /token of 'a' is of a tenant: it can only be viewer/,
  ],
  [JSON.stringify([token('local', 'viewer')]), /no token can be named 'local'/],
])('%s is no list of tokens', (text, why) => {
  expect(() => parseTokens(text)).toThrow(why)
})
