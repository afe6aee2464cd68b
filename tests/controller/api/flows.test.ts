import { afterEach, beforeAll, afterAll, describe, expect, test } from 'vitest'
import { ask, askForText, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

const FLOWS = '/switches/h1/br-int/flows'
const USERS = `${FLOWS}?match=cookie=0/0xffff000000000000`
const NO_ICMP = 'table=0,priority=100,icmp,actions=drop'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())
afterEach(() => ask(live.api, 'DELETE', FLOWS))

const add = (payload: object | string, type?: string) => ask(live.api, 'POST', FLOWS, payload, type)
const reaches = async () => (await ask(live.api, 'POST', '/ping', { from: 'web1', to: 'db1' })).body.received === 1
const usersFlows = async () => (await ask(live.api, 'GET', USERS)).body as { text: string; owner: string }[]

describe('a flow that is added', () => {
  test('is in the dump and stops what it drops, until it is deleted', async () => {
    expect(await reaches()).toBe(true)
    expect((await add({ flow: NO_ICMP })).status).toBe(201)
    expect(await askForText(live.api, `${FLOWS}?match=icmp`)).toMatch(
      /^ cookie=0x0, duration=\d+\.\d{3}s, table=0, n_packets=0, n_bytes=0, idle_age=\d+, priority=100,icmp actions=drop\n$/,
    )
    expect(await reaches()).toBe(false)
    expect((await ask(live.api, 'DELETE', `${FLOWS}?match=icmp`)).body).toEqual({ deleted: 1 })
    expect(await reaches()).toBe(true)
  })

  test.each([
    ['text', { flow: 'table=3,priority=7,tcp,nw_src=10.0.0.0/8,tp_dst=80,actions=mod_vlan_vid:9,output:web1:eth0' }],
    [
      'an object',
      {
        table: 3,
        priority: 7,
        match: { tcp: true, nw_src: '10.0.0.0/8', tp_dst: 80 },
        actions: ['mod_vlan_vid:9', 'output:web1:eth0'],
      },
    ],
  ])('as %s is the same flow, and its dump can be added again', async (_, payload) => {
    await add(payload)
    const [installed] = (await ask(live.api, 'GET', USERS)).body
    expect(installed).toMatchObject({
      owner: 'user',
      table: 3,
      priority: 7,
      match: { tcp: true, nw_src: '10.0.0.0/8', tp_dst: '80' },
      actions: ['mod_vlan_vid:9', 'output:"web1:eth0"'],
    })
    const { table, priority, match, actions } = installed
    await ask(live.api, 'DELETE', FLOWS)
    await add({ flows: [{ table, priority, match, actions }] })
    expect((await usersFlows())[0]!.text.split('table=')[1]).toBe(installed.text.split('table=')[1])
  })

  test('as lines of text comes with its neighbours', async () => {
    const { body } = await add(`# two flows\n\n${NO_ICMP}\ntcp,actions=drop\n`, 'text/plain')
    expect(body).toMatchObject({ added: 2 })
    expect(await usersFlows()).toHaveLength(2)
  })

  test('goes by itself where a strict delete names it', async () => {
    await add({ flows: ['priority=1,tcp,actions=drop', 'priority=2,tcp,actions=drop'] })
    expect((await ask(live.api, 'DELETE', `${FLOWS}?match=priority=1,tcp&strict=true`)).body).toEqual({ deleted: 1 })
    expect((await usersFlows()).map(({ text }) => text)).toEqual([expect.stringContaining('priority=2,tcp')])
  })
})

describe('a flow that can not be', () => {
  test.each([
    ['a keyword that is none', { flow: 'tcp,tp_dts=80,actions=drop' }, { pointer: '/flow', column: 5 }],
    ['a prerequisite that is missing', { flow: 'tp_dst=80,actions=drop' }, { pointer: '/flow', column: 1 }],
    ['one of many', { flows: [NO_ICMP, 'ip,nw_src=1.2.3,actions=drop'] }, { pointer: '/flows/1', column: 11 }],
    ['a value in an object', { match: { tcp: true, tp_dst: '80x' }, actions: 'drop' }, { pointer: '/match/tp_dst' }],
    ['an action in a list', { flows: [{ actions: ['output:2', 'otput:3'] }] }, { pointer: '/flows/0/actions/1' }],
    ["a table of the controller's", { flows: [NO_ICMP, { table: 20, actions: '' }] }, { pointer: '/flows/1/table' }],
    ["a cookie of the controller's", { cookie: '0x5b5b000000000001', actions: '' }, { pointer: '/cookie' }],
    ['an object with a key too many', { tabel: 1, actions: '' }, { pointer: '/tabel' }],
    ['a number for a text', { flow: 7 }, { pointer: '/flow' }],
    ['two kinds at once', { flow: NO_ICMP, actions: '' }, { pointer: '' }],
  ])('is told with its place, and nothing changes: %s', async (_, payload, place) => {
    const { status, headers, body } = await add(payload)
    expect(headers['content-type']).toContain('application/problem+json')
    expect({ status, ...body }).toMatchObject({ status: 400, ...place, detail: expect.any(String) })
    expect(await usersFlows()).toEqual([])
  })

  test('in a text is told with line and column, all of them at once', async () => {
    const { body } = await add(`${NO_ICMP}\ntcp,foo=1,actions=drop\nudp\n`, 'text/plain')
    expect(body.errors).toMatchObject([
      { line: 2, column: 5 },
      { line: 3, column: 4 },
    ])
    expect(await usersFlows()).toEqual([])
  })

  test('because its switch refuses it brings the error of the switch, and its neighbours are not added', async () => {
    const { status, body } = await add({ flows: [NO_ICMP, 'tcp,actions=meter:77,output:1'] })
    expect({ status, ...body }).toMatchObject({ status: 422, switch: 'h1/br-int', code: 'OFPMMFC_INVALID_METER' })
    expect(body.field).toContain('meter')
    expect(await usersFlows()).toEqual([])
    expect(await reaches()).toBe(true)
  })

  test('is no match for a filter', async () => {
    const { status, body } = await ask(live.api, 'GET', `${FLOWS}?match=tcpp`)
    expect({ status, ...body }).toMatchObject({ status: 400, column: 1, detail: expect.stringContaining("'tcp'") })
  })
})

test("a delete leaves the controller's own flows alone", async () => {
  const before = (await ask(live.api, 'GET', FLOWS)).body.length
  expect(before).toBeGreaterThan(0)
  expect((await ask(live.api, 'DELETE', FLOWS)).body).toEqual({ deleted: 0 })
  expect((await ask(live.api, 'GET', FLOWS)).body).toHaveLength(before)
})
