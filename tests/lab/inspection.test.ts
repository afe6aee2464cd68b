import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
  for (let round = 0; round < 3; round++) await ask(live.api, 'POST', '/ping', { from: 'web1', to: 'db1' })
})
afterAll(() => live.stop())

const h1 = () => live.lab.network.switch('h1/br-int')!

test('the cache of one switch can be looked into', async () => {
  const { body } = await ask(live.api, 'GET', '/switches/h1/br-int/cache')
  const { only, microflow, megaflow, miss } = h1().cache.statistics
  expect(body).toMatchObject({
    passes: only + microflow + megaflow + miss,
    hits: { simple: only, exact: microflow, megaflow },
    misses: miss,
    megaflows: h1().cache.megaflows(h1().clock.now()).length,
    stages: { frames: 0 },
  })
  expect((await ask(live.api, 'GET', '/switches/h1/br-nope/cache')).body).toMatchObject({ status: 404 })
})
