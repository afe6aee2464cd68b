// Mirrors of a running network.

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WrittenMirror } from '../../../topologies/schema/mirrors.ts'
import { ask, askForText, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

const EXAMPLE = new URL('../../../topologies/examples/networks/mirrors.json', import.meta.url)

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
  await ask(live.api, 'PUT', '/topology', readFileSync(EXAMPLE, 'utf8'), 'application/json')
})
afterAll(() => live.stop())

const namesNow = async () => ((await ask(live.api, 'GET', '/mirrors')).body as WrittenMirror[]).map(({ name }) => name)
const flowsOfMirrors = async () =>
  (await askForText(live.api, '/switches/h1/br-int/flows')).split('cookie=0x5b5b0c').length - 1

const ADDED = {
  name: 'more',
  source: { port: 'web2:eth0' },
  direction: 'from-lport',
  target: { port: 'ids1:tap0', segment: 9001 },
}

test('one is added and taken away while all else stays, also where a VM was moved', async () => {
  await live.lab.migrate('web1', 'h2', 1_000_000)
  const before = await flowsOfMirrors()
  expect(await ask(live.api, 'POST', '/mirrors', ADDED)).toMatchObject({ status: 201, body: ADDED })
  expect(await namesNow()).toEqual(['web1', 'green', 'rspan', 'web1-file', 'more'])
  expect(await flowsOfMirrors()).toBeGreaterThan(before)
  expect(live.lab.controller.vms().find(({ name }) => name === 'web1')).toMatchObject({ host: 'h2' })
  expect(await ask(live.api, 'DELETE', '/mirrors/more')).toMatchObject({ status: 200, body: ADDED })
  expect(await namesNow()).toEqual(['web1', 'green', 'rspan', 'web1-file'])
  expect(await flowsOfMirrors()).toBe(before)
})

test('a file that is put again after a mirror was added leaves VMs where moves have brought them', async () => {
  const web1 = () => live.lab.controller.vms().find(({ name }) => name === 'web1')
  expect(web1()).toMatchObject({ host: 'h2' })
  await ask(live.api, 'POST', '/mirrors', ADDED)
  await ask(live.api, 'DELETE', '/mirrors/more')
  const put = await ask(live.api, 'PUT', '/topology', readFileSync(EXAMPLE, 'utf8'), 'application/json')
  expect(put.status).toBe(200)
  expect(web1()).toMatchObject({ host: 'h2' })
})

test('all can be taken away, and the vNIC that heard them hears nothing', async () => {
  const all = (await ask(live.api, 'GET', '/mirrors')).body as WrittenMirror[]
  for (const { name } of all) expect((await ask(live.api, 'DELETE', `/mirrors/${name}`)).status).toBe(200)
  expect(await namesNow()).toEqual([])
  expect((await ask(live.api, 'GET', '/topology')).body).not.toHaveProperty('mirrors')
  for (const mirror of all) expect((await ask(live.api, 'POST', '/mirrors', mirror)).status).toBe(201)
  expect((await ask(live.api, 'GET', '/mirrors')).body).toEqual(all)
})

test.each([
  [{ ...ADDED, name: 'web1' }, '/name', "'web1' is already a mirror"],
  [{ ...ADDED, source: { port: 'web9' } }, '/source/port', "no vNIC 'web9'"],
  [{ ...ADDED, target: { port: 'db2', segment: 77 } }, '/target/port', 'db2:eth0 is on a network'],
  [{ ...ADDED, target: { port: 'ids1:tap0', segment: 5001 } }, '/target/segment', "that of 'green'"],
  ['nonsense', '', "found 'nonsense'"],
])('%j is refused, and nothing is changed', async (mirror, pointer, why) => {
  const answer = await ask(live.api, 'POST', '/mirrors', JSON.stringify(mirror), 'application/json')
  expect(answer).toMatchObject({ status: 400, body: { pointer, detail: expect.stringContaining(why) } })
  expect(await namesNow()).toEqual(['web1', 'green', 'rspan', 'web1-file'])
})

test('what is not there can not be taken away', async () => {
  expect(await ask(live.api, 'DELETE', '/mirrors/none')).toMatchObject({ status: 404 })
})

test('the policy of a vNIC that is copied, or hears copies, is set as any other', async () => {
  for (const port of ['web1:eth0', 'ids1:tap0']) {
    const answer = await ask(live.api, 'PUT', `/ports/${port}/policy`, { egressRate: '10Mbps' })
    expect(answer).toMatchObject({ status: 200, body: { egressRate: '10Mbps' } })
  }
  expect(await namesNow()).toEqual(['web1', 'green', 'rspan', 'web1-file'])
})
