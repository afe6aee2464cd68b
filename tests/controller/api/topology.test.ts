import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, reaches, smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())

test('what is put comes back, and back again the same', async () => {
  const first = await ask(live.api, 'PUT', '/topology', smallTopology())
  expect(first.status).toBe(200)
  const second = await ask(live.api, 'PUT', '/topology', first.body)
  expect(second.body).toEqual(first.body)
  expect((await ask(live.api, 'GET', '/topology')).body).toEqual(first.body)
})

test('a host and a VM that are added can be reached; taken away they are gone', async () => {
  const wider = smallTopology()
  wider.hosts.push({ name: 'h3', vtep: '192.0.2.3' })
  wider.vms.push({ name: 'web2', host: 'h3', nics: [{ name: 'eth0', network: 'blue', addresses: ['10.0.10.13'] }] })
  expect((await ask(live.api, 'PUT', '/topology', wider)).status).toBe(200)
  await reaches(live, 'web2', 'db1')
  await ask(live.api, 'PUT', '/topology', smallTopology())
  expect((await ask(live.api, 'GET', '/vms/web2')).status).toBe(404)
  expect((await ask(live.api, 'GET', '/hosts')).body).toHaveLength(2)
})

test('five mistakes are told, each with pointer, line and what was expected, and nothing changes', async () => {
  const before = (await ask(live.api, 'GET', '/topology')).body
  const wrong = smallTopology()
  wrong.networks[0]!.segment = 4095
  wrong.vms[0]!.host = 'h3'
  wrong.vms[1]!.nics[0]!.network = 'bleu'
  wrong.vms[2]!.name = 'db1'
  const text = JSON.stringify({ ...wrong, hots: [] }, null, 1)
  const { status, body } = await ask(live.api, 'PUT', '/topology', text, 'application/json')
  expect(status).toBe(400)
  const pointers = body.errors.map(({ pointer }: { pointer: string }) => pointer)
  expect(pointers.sort()).toEqual(
    ['/hots', '/networks/0/segment', '/vms/0/host', '/vms/1/nics/0/network', '/vms/2/name'].sort(),
  )
  for (const { detail, line } of body.errors) {
    expect(detail).toContain('expected')
    expect(line).toBeGreaterThan(1)
  }
  expect((await ask(live.api, 'GET', '/topology')).body).toEqual(before)
})

test('what is not JSON is told with line and column', async () => {
  const { status, body } = await ask(live.api, 'PUT', '/topology', '{\n "version": }', 'application/json')
  expect({ status, ...body }).toMatchObject({ status: 400, line: 2, column: 13 })
})
