import { request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
let port: number
beforeAll(async () => {
  live = await startLiveLab()
  await live.api.listen({ host: '127.0.0.1', port: 0 })
  port = (live.api.server.address() as AddressInfo).port
})
afterAll(() => live.stop())

const addFlow = (flow: string) => ask(live.api, 'POST', '/switches/h1/br-int/flows', { flow })

function listen(headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/events', headers }, resolve).on('error', reject).end()
  })
}

interface Event {
  id: string
  event: string
  data: Record<string, unknown>
}

/** Reads until `wanted` events of that type have come, then hangs up. */
async function read(stream: IncomingMessage, type: string | RegExp, wanted: number): Promise<Event[]> {
  const found: Event[] = []
  let pending = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const blocks = (pending + chunk).split('\n\n')
    pending = blocks.pop()!
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/) as [string, string]))
      const { event = '' } = fields
      if (new RegExp(type).test(event)) found.push({ id: fields['id']!, event, data: JSON.parse(fields['data']!) })
    }
    if (found.length >= wanted) return found
  }
  return found
}

test('whoever listens hears what happens, and hears what was missed on coming back', async () => {
  const stream = await listen()
  expect(stream.headers['content-type']).toBe('text/event-stream')
  await addFlow('priority=1,tcp,actions=drop')
  const [first] = await read(stream, 'flow', 1)
  expect(first!.data).toMatchObject({
    switch: 'h1/br-int',
    command: 'add',
    flow: expect.stringContaining('priority=1'),
  })

  await addFlow('priority=2,tcp,actions=drop')
  await addFlow('priority=3,tcp,actions=drop')
  const missed = await read(await listen({ 'last-event-id': first!.id }), 'flow', 2)
  expect(missed.map(({ data }) => data['flow'])).toEqual([
    expect.stringContaining('priority=2'),
    expect.stringContaining('priority=3'),
  ])
})

test.each([
  ['of an earlier run', async () => '000000000000-1', /started anew/],
  ['that was never given', async (last: string) => last.replace(/\d+$/, '999999'), /no event of this id/],
  ['that is no id', async (last: string) => last.replace(/\d+$/, 'x'), /no event of this id/],
  ['of long ago', fill, /not remembered any more/],
])('whoever comes back with an id %s is told to begin anew, and hears what comes', async (_, idFrom, why) => {
  const stream = await listen()
  await addFlow('priority=4,tcp,actions=drop')
  const [last] = await read(stream, 'flow', 1)
  const back = await listen({ 'last-event-id': await idFrom(last!.id) })
  await addFlow('priority=5,tcp,actions=drop')
  const [reset, flow] = await read(back, /reset|flow/, 2)
  expect(reset).toMatchObject({ event: 'reset', data: { reason: expect.stringMatching(why) } })
  expect(flow!.data['flow']).toContain('priority=5')
})

/** More happens than is remembered. */
async function fill(last: string): Promise<string> {
  const flows = Array.from({ length: 1001 }, (_, index) => `priority=${index},udp,actions=drop`)
  await ask(live.api, 'POST', '/switches/h1/br-int/flows', { flows })
  return last
}

test('a migration tells its states in order', async () => {
  const stream = await listen()
  await ask(live.api, 'POST', '/migrations?wait=true', { vm: 'web1', to: 'h2', pause: '1ms' })
  const states: string[] = []
  for (const { data } of await read(stream, 'migration', 6)) {
    const { state } = data['migration'] as { state: string }
    if (states.at(-1) !== state) states.push(state)
  }
  expect(['prepare', 'switch-over', 'commit', 'done']).toEqual(expect.arrayContaining(states))
  expect(states.slice(0, 2)).toEqual(['prepare', 'switch-over'])
})

test('a server that closes ends the streams', async () => {
  const other = await startLiveLab()
  await other.api.listen({ host: '127.0.0.1', port: 0 })
  port = (other.api.server.address() as AddressInfo).port
  const ended = read(await listen(), 'none', 1)
  await other.stop()
  expect(await ended).toEqual([])
})
