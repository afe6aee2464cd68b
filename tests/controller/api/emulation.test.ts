import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, reaches, startLiveLab, untilReached, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())

test('all guests of a network reach each other, and no others', async () => {
  const body = await untilReached(async () => (await ask(live.api, 'POST', '/pingall')).body, 2)
  expect(body.sent).toBe(6)
  for (const { sent, received, expected } of body.pairs)
    expect(received === sent ? 'reachable' : 'unreachable').toBe(expected)
})

test('a link that is cut carries nothing until it is mended, and the ping says so', async () => {
  const endpoints = ['h1', 'fabric']
  const ping = async () => (await ask(live.api, 'POST', '/ping', { from: 'web1', to: 'db1' })).body
  expect((await ask(live.api, 'POST', '/links/down', { endpoints })).body).toEqual({ endpoints, up: false })
  expect(await ping()).toMatchObject({ received: 0, why: expect.stringContaining('link_down') })
  expect((await ask(live.api, 'POST', '/links/up', { endpoints })).body).toEqual({ endpoints, up: true })
  await reaches(live, 'web1', 'db1')
})

test('a switch that is away makes the network degraded, its writes conflicts, and ready again on its return', async () => {
  live.lab.fail({ kind: 'host', host: 'h1' })
  await eventually(async () => (await ask(live.api, 'GET', '/health')).body.status === 'degraded')
  const refused = await ask(live.api, 'POST', '/switches/h1/br-int/flows', { flow: 'actions=drop' })
  expect({ status: refused.status, ...refused.body }).toMatchObject({
    status: 409,
    detail: expect.stringContaining('h1/br-int'),
  })
  expect((await ask(live.api, 'GET', '/hosts/h1')).body).toMatchObject({ connected: false })
  live.lab.heal({ kind: 'host', host: 'h1' })
  await eventually(async () => (await ask(live.api, 'GET', '/health')).body.status === 'ok')
  expect((await ask(live.api, 'GET', '/health/ready')).status).toBe(200)
})

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}
