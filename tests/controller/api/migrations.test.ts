import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())

const reaches = async () => (await ask(live.api, 'POST', '/ping', { from: 'web1', to: 'db1' })).body.received === 1

test('a VM moves, its policy with it, and is reached at its new host', async () => {
  const { status, headers, body } = await ask(live.api, 'POST', '/migrations', { vm: 'web1', to: 'h2', pause: '5ms' })
  expect({ status, ...body }).toMatchObject({ status: 202, vm: 'web1', from: 'h1', to: 'h2' })
  const ended = await ask(live.api, 'GET', `${headers.location}?wait=true`)
  expect(ended.body).toMatchObject({ state: 'done', policy: 'identical', blackout: expect.stringMatching(/ms$/) })
  expect((await ask(live.api, 'GET', '/vms/web1')).body).toMatchObject({ host: 'h2', state: 'running' })
  expect(await reaches()).toBe(true)
})

test('while it moves it is moved elsewhere after that, and stays the same otherwise; an abort brings it back', async () => {
  const from = (await ask(live.api, 'GET', '/vms/web1')).body.host as string
  const to = from === 'h1' ? 'h2' : 'h1'
  const { body } = await ask(live.api, 'POST', '/migrations', { vm: 'web1', to, pause: '10s' })
  const second = await ask(live.api, 'POST', '/migrations', { vm: 'web1', to: from })
  expect({ status: second.status, ...second.body }).toMatchObject({ status: 202, state: 'queued' })
  expect((await ask(live.api, 'POST', `/migrations/${second.body.id}/abort`)).body).toMatchObject({ state: 'aborted' })
  expect((await ask(live.api, 'PUT', '/topology', smallTopology())).status).toBe(409)
  expect((await ask(live.api, 'POST', `/migrations/${body.id}/abort`)).body).toMatchObject({ state: 'aborted' })
  expect((await ask(live.api, 'GET', '/vms/web1')).body).toMatchObject({ host: from, state: 'running' })
  expect(await reaches()).toBe(true)
})

test('what can not be moved is told by name', async () => {
  const unknown = await ask(live.api, 'POST', '/migrations', { vm: 'web9', to: 'h2' })
  expect({ status: unknown.status, ...unknown.body }).toMatchObject({
    status: 404,
    detail: expect.stringContaining('web1'),
  })
  const wrong = await ask(live.api, 'POST', '/migrations', { vm: 'web1', pause: '3 days' })
  expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/to', '/pause'])
  expect((await ask(live.api, 'GET', '/migrations/m99')).status).toBe(404)
})

test('all moves are listed, or page by page, the newest first', async () => {
  for (const to of ['h1', 'h2', 'h1'])
    await ask(live.api, 'POST', '/migrations?wait=true', { vm: 'web1', to, pause: '0s' })
  const all = (await ask(live.api, 'GET', '/migrations')).body as { id: string }[]
  const pages: { id: string }[][] = []
  for (let url: string | undefined = '/migrations?limit=2'; url !== undefined;) {
    const { headers, body } = await ask(live.api, 'GET', url)
    pages.unshift(body as { id: string }[])
    url = /^<(.*)>; rel="next"$/.exec(headers['link'] as string)?.[1]
  }
  expect(pages.flat()).toEqual(all)
  expect(pages.slice(1).map(({ length }) => length)).toEqual(pages.slice(1).map(() => 2))
  expect((await ask(live.api, 'GET', '/migrations?limt=2')).body.detail).toBe(
    "query limt: is not a key that is known here (did you mean 'limit'?)",
  )
})

test('a host is drained: planned, done, told, and opened again', async () => {
  const plan = await ask(live.api, 'GET', '/hosts/h1/drain')
  const there = (await ask(live.api, 'GET', '/hosts/h1')).body.vms as string[]
  expect(plan.body.moves.map(({ vm }: { vm: string }) => vm).sort()).toEqual(there.sort())
  const { status, body } = await ask(live.api, 'POST', '/hosts/h1/drain?wait=true', { parallel: 2, pause: '1ms' })
  expect({ status, ...body }).toMatchObject({ status: 200, kind: 'drain', host: 'h1', state: 'done', parallel: 2 })
  expect((await ask(live.api, 'GET', '/hosts/h1')).body).toMatchObject({ vms: [], mode: 'closed' })
  expect((await ask(live.api, 'GET', `/relocations/${body.id}`)).body).toEqual(body)
  expect((await ask(live.api, 'POST', '/migrations', { vm: 'web1', to: 'h1' })).status).toBe(409)
  expect((await ask(live.api, 'POST', '/hosts/h1/undrain')).body).toMatchObject({ mode: 'open' })
  expect((await ask(live.api, 'POST', '/hosts/h9/drain', {})).status).toBe(404)
  expect((await ask(live.api, 'POST', '/hosts/h1/drain', { parallel: 0 })).status).toBe(400)
  expect(await reaches()).toBe(true)
})
