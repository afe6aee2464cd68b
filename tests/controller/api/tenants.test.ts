// What the API shows of tenants, and to them.

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashOf, type Token } from '../../../controller/api/tokens.ts'
import { parseTopology } from '../../../topologies/load.ts'
import type { WrittenTopology } from '../../../topologies/schema/topology.ts'
import { topologyToJson } from '../../../topologies/write.ts'
import { startLiveLab, type LiveLab } from '../../support/live-lab.ts'

const EXAMPLE = new URL('../../../topologies/examples/networks/tenants.json', import.meta.url)
const example = (): WrittenTopology => topologyToJson(parseTopology(readFileSync(EXAMPLE, 'utf8'), 'tenants.json'))

const TOKENS: Token[] = [
  { name: 'ada', role: 'admin', sha256: hashOf('ada') },
  { name: 'rita', role: 'viewer', tenant: 'red', sha256: hashOf('rita') },
]

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab({ access: { tokens: () => TOKENS, now: () => 0 } })
  await ask('ada', '/topology', 'PUT', example())
})
afterAll(() => live.stop())

const ask = (who: string, url: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE' = 'GET', payload?: object) =>
  live.api.inject({ method, url, headers: { authorization: `Bearer ${who}` }, ...(payload && { payload }) })
const namesOf = async (who: string, url: string) =>
  (await ask(who, url)).json<{ name?: string; id?: string }[]>().map(({ name, id }) => name ?? id)

const LISTS = [
  ['/tenants', ['red']],
  ['/vms', ['red/web1', 'red/db1']],
  ['/ports', ['red/web1:eth0', 'red/web1:eth1', 'red/db1:eth0']],
  ['/networks', ['red/app', 'platform/services']],
] as const

describe('a token of a tenant', () => {
  test.each(LISTS)('finds in %s what is its own: %j', async (url, names) => {
    expect(await namesOf('rita', url)).toEqual(names)
  })

  test('reads what it finds there, and nothing of others', async () => {
    expect((await ask('rita', '/vms/red%2Fweb1')).json()).toMatchObject({ name: 'red/web1', tenant: 'red' })
    expect((await ask('rita', '/ports/red%2Fweb1:eth1')).json()).toMatchObject({ network: 'platform/services' })
    expect((await ask('rita', '/networks/platform%2Fservices')).json()).toMatchObject({ ports: ['red/web1:eth1'] })
    for (const url of ['/vms/blue%2Fweb1', '/ports/platform%2Fdns1:eth0', '/networks/blue%2Fapp'])
      expect((await ask('rita', url)).statusCode).toBe(404)
  })

  test('gets to see nothing of others by whatever it asks, and changes nothing', async () => {
    const { paths } = (await ask('ada', '/docs/json')).json<{ paths: Record<string, object> }>()
    const places = { host: 'h1', bridge: 'br-int', name: 'red%2Fweb1', id: '1' }
    const open: string[] = []
    for (const [path, operations] of Object.entries(paths))
      for (const method of Object.keys(operations)) {
        const url = path.replace(/\{(\w+)\}/g, (_, key: keyof typeof places) => places[key])
        const answer = await ask('rita', url, method.toUpperCase() as 'GET')
        expect(answer.body).not.toMatch(/blue\/|dns1/)
        if (answer.statusCode !== 403) open.push(`${method} ${path}`)
      }
    const own = LISTS.flatMap(([list]) =>
      list === '/tenants' ? [list] : [list, `${list}/{${list === '/ports' ? 'id' : 'name'}}`],
    )
    expect(open.sort()).toEqual(
      [...own, '/mirrors', '/health/live', '/networks/{name}/groups'].map((path) => `get ${path}`).sort(),
    )
  })

  test('may not ask for another tenant', async () => {
    const answer = await ask('rita', '/vms?tenant=blue')
    expect(answer.json()).toMatchObject({ status: 403, detail: "'rita' is of tenant red alone" })
  })
})

test.each(LISTS.slice(1))('whoever sees all may ask in %s for what is of a tenant', async (url) => {
  expect((await ask('ada', `${url}?tenant=red`)).json()).toEqual((await ask('rita', url)).json())
  expect((await namesOf('ada', url)).length).toBeGreaterThan((await namesOf('rita', url)).length)
  expect((await ask('ada', `${url}?tenant=rad`)).json()).toMatchObject({
    status: 404,
    detail: expect.stringContaining("no tenant 'rad'"),
  })
})

test('of a tenant it is told what it has and what it may have', async () => {
  expect((await ask('rita', '/tenants')).json()).toEqual([
    {
      name: 'red',
      used: { networks: 1, vms: 2, vnics: 3, securityGroups: 1, securityGroupRules: 2 },
      quota: { networks: 1, vms: 2, vnics: 3, securityGroups: 1, securityGroupRules: 4 },
    },
  ])
})

test('a topology that has more than a quota allows is refused, and changes nothing', async () => {
  const more = example()
  more.networks!.push({ name: 'more', tenant: 'blue', type: 'vlan', segment: 77 })
  const answer = await ask('ada', '/topology', 'PUT', more)
  expect(answer.json()).toMatchObject({
    status: 400,
    pointer: '/networks/3',
    detail: expect.stringContaining('one network more than the quota of blue allows; expected at most 1 in all'),
  })
  expect(await namesOf('ada', '/networks')).not.toContain('blue/more')
})
