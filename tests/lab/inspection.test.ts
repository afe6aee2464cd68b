import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
  for (let round = 0; round < 3; round++) await ask(live.api, 'POST', '/ping', { from: 'web1', to: 'db1' })
})
afterAll(() => live.stop())

const h1 = () => live.lab.network.switch('h1/br-int')!

/** Its lines of numbers, by name and labels. */
async function scraped(): Promise<{ body: string; metrics: Map<string, number> }> {
  const { statusCode, headers, body } = await live.api.inject({ url: '/metrics' })
  expect({ statusCode, type: headers['content-type'] }).toEqual({
    statusCode: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
  })
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return { body, metrics: new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line)![0])])) }
}

test('a scrape copies what each switch has counted, however often it is asked for', async () => {
  await scraped()
  const { body, metrics } = await scraped()
  const { only, microflow, megaflow, miss } = h1().cache.statistics
  expect(miss).toBeGreaterThan(0)
  const of = (name: string, labels = '') => metrics.get(`${name}{datapath="h1/br-int"${labels}}`)
  expect(of('ovs_dp_lookups_missed_total')).toBe(miss)
  expect(of('ovs_dp_lookups_hit_total')).toBe(only + microflow + megaflow)
  expect(of('ovs_dp_cache_hits_total', ',cache="emc"')).toBe(microflow)
  const named = 'dp_id="0x1",dp_name="h1/br-int"'
  expect(metrics.get(`dp_status{${named}}`)).toBe(1)
  expect(of('ovs_bridge_flow_count')).toBe(h1().tables.size)
  for (const { number, name, counters } of h1().ports) {
    const labels = `,port="${number}",port_name="${name}"`
    expect(of('of_port_rx_packets', labels)).toBe(counters.receivedPackets)
    expect(of('of_port_tx_bytes', labels)).toBe(counters.sentBytes)
    expect(metrics.get(`port_status{${named},port="${number}",port_description="${name}"}`)).toBe(1)
  }
  const datapaths = [...metrics.keys()].filter((name) => name.startsWith('dp_status{'))
  expect(datapaths).toHaveLength(live.lab.network.switches().size)
  const names = body.match(/(?<=^# TYPE )\S+/gm)!
  expect(names).toEqual([...new Set(names)])
})

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
