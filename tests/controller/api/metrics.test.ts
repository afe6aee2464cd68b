import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
})
afterAll(() => live.stop())

/** What the page says of h2, and of the controller itself. */
async function scraped(): Promise<(name: string, labels?: string) => number | undefined> {
  const { body } = await live.api.inject({ url: '/metrics' })
  const lines = new Map(body.split('\n').map((line) => [line.replace(/ \S+$/, ''), Number(/\S*$/.exec(line)![0])]))
  return (name, labels = 'dp_id="0x2",dp_name="h2/br-int"') => lines.get(labels === '' ? name : `${name}{${labels}}`)
}

const counts = ['of_dp_connections', 'of_dp_disconnections', 'of_flowmsgs_sent', 'of_packet_ins', 'of_errors']

test('counts what is said with a switch, over all its connections', async () => {
  const before = await scraped()
  expect(counts.map((name) => before(name))).toEqual([1, 0, expect.any(Number), 0, 0])
  expect(before('of_flowmsgs_sent')).toBe(before('signalbox_switch_flows'))
  await ask(live.api, 'POST', '/switches/h2/br-int/flows', { flow: 'priority=1,tcp,actions=drop' })
  await ask(live.api, 'POST', '/switches/h2/br-int/flows', { flow: 'priority=1,actions=group:77' })
  const then = await scraped()
  expect(then('of_flowmsgs_sent')! - before('of_flowmsgs_sent')!).toBeGreaterThanOrEqual(1)
  expect(then('of_errors')).toBe(1)

  live.lab.fail({ kind: 'host', host: 'h2' })
  await waitFor(async () => (await scraped())('dp_status') === 0)
  const gone = await scraped()
  expect([gone('of_dp_connections'), gone('of_dp_disconnections'), gone('signalbox_switch_in_sync')]).toEqual([1, 1, 0])
  expect((await ask(live.api, 'GET', '/health')).body).toMatchObject({ status: 'degraded', switches: { connected: 1 } })

  live.lab.heal({ kind: 'host', host: 'h2' })
  await waitFor(async () => (await scraped())('signalbox_switch_in_sync') === 1)
  const back = await scraped()
  expect([back('of_dp_connections'), back('of_dp_disconnections')]).toEqual([2, 1])
  expect((await ask(live.api, 'GET', '/health/ready')).status).toBe(200)
})

test('counts requests, addresses that were learned, and migrations', async () => {
  const asked = (page: Awaited<ReturnType<typeof scraped>>) =>
    page('signalbox_api_requests_total', 'method="GET",status="404"') ?? 0
  const before = asked(await scraped())
  await ask(live.api, 'GET', '/nowhere')
  await ask(live.api, 'POST', '/migrations?wait=true', { vm: 'web1', to: 'h2' })
  const page = await scraped()
  expect(asked(page)).toBe(before + 1)
  expect(page('signalbox_migrations', 'state="done"')).toBe(1)
  expect(page('learned_macs', 'network="blue"')).toBe(0)
  expect(page('process_resident_memory_bytes', '')).toBeGreaterThan(1e6)
})

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}
