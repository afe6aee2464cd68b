import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
  await ask(live.api, 'PUT', '/topology', smallTopology())
})
afterAll(() => live.stop())

test('the topology that runs changes nothing, and is said to', async () => {
  const { status, body } = await ask(live.api, 'POST', '/topology/plan', smallTopology())
  expect({ status, ...body }).toMatchObject({ status: 200, unchanged: true, objects: [], switches: [], notices: [] })
})

describe('what was planned', () => {
  const put = (payload: object, tag: string) =>
    live.api.inject({ method: 'PUT', url: '/topology', headers: { 'if-match': `"${tag}"` }, payload })
  const running = async () => (await ask(live.api, 'GET', '/topology')).body
  const planned = async (wanted: object): Promise<string> =>
    (await ask(live.api, 'POST', '/topology/plan', wanted)).body.tag

  test('is carried out, of another topology it is not, and not twice', async () => {
    const [wanted, other] = [smallTopology(), smallTopology()]
    wanted.networks[0]!.segment = 11
    other.networks[0]!.segment = 12
    const tag = await planned(wanted)
    const before = await running()
    expect((await put(other, tag)).statusCode).toBe(412)
    expect(await running()).toEqual(before)
    expect((await put(wanted, tag)).statusCode).toBe(200)
    expect((await running()).networks[0].segment).toBe(11)
    const again = await put(wanted, tag)
    expect(again.json()).toMatchObject({ status: 412, detail: expect.stringContaining('make a new plan') })
    await ask(live.api, 'PUT', '/topology', smallTopology())
  })

  test('is not carried out where a change that was asked for before it, or a move, has come first', async () => {
    const [wanted, first] = [smallTopology(), smallTopology()]
    wanted.networks[0]!.segment = 11
    first.vms.pop()
    const tag = await planned(wanted)
    // Both wait: which of them is first is known only once it is its turn.
    const [earlier, later] = await Promise.all([ask(live.api, 'PUT', '/topology', first), put(wanted, tag)])
    expect([earlier.status, later.statusCode]).toEqual([200, 412])
    expect((await running()).networks[0].segment).toBe(10)
    const next = await planned(wanted)
    await ask(live.api, 'POST', '/migrations', { vm: 'db1', to: 'h1', pause: '0s' })
    expect((await ask(live.api, 'GET', '/migrations/m1?wait=true')).body.state).toBe('done')
    expect((await put(wanted, next)).statusCode).toBe(412)
    expect((await put(wanted, await planned(wanted))).statusCode).toBe(200)
    expect((await ask(live.api, 'GET', '/topology/change')).body).toMatchObject([{ state: 'done', name: 'small' }])
    await ask(live.api, 'POST', '/migrations', { vm: 'db1', to: 'h2', pause: '0s' })
    await ask(live.api, 'GET', '/migrations/m2?wait=true')
    await ask(live.api, 'PUT', '/topology', smallTopology())
  })
})

test('a change has the number that its answer tells, and the tag of its plan; the next has another', async () => {
  const numbers: number[] = []
  for (const segment of [11, 10]) {
    const wanted = smallTopology()
    wanted.networks[0]!.segment = segment
    const { tag } = (await ask(live.api, 'POST', '/topology/plan', wanted)).body
    const headers = { 'if-match': `"${tag}"` }
    const answer = await live.api.inject({ method: 'PUT', url: '/topology', headers, payload: wanted })
    const number = Number(answer.headers['signalbox-change'])
    expect((await ask(live.api, 'GET', '/topology/change')).body).toMatchObject([{ number, plan: tag, state: 'done' }])
    numbers.push(number)
  }
  expect(numbers[1]).toBeGreaterThan(numbers[0]!)
})

test('one plan is made at a time', async () => {
  const answers = await Promise.all([1, 2].map(() => ask(live.api, 'POST', '/topology/plan', smallTopology())))
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 429])
  expect((await ask(live.api, 'POST', '/topology/plan', smallTopology())).status).toBe(200)
})

test('what is planned is what the switches are told, and nothing is told before', async () => {
  const wanted = smallTopology()
  wanted.vms.push({ name: 'web2', host: 'h2', nics: [{ name: 'eth0', network: 'blue', addresses: ['10.0.10.13'] }] })
  const before = await flowsByKey()
  const { body: plan } = await ask(live.api, 'POST', '/topology/plan', wanted)
  expect(await flowsByKey()).toEqual(before)
  await ask(live.api, 'PUT', '/topology', wanted)
  const after = await flowsByKey()
  const expected = Object.keys(after).flatMap((name) => {
    const [was, is] = [before[name]!, after[name]!]
    const added = [...is.keys()].filter((key) => !was.has(key)).length
    const removed = [...was.keys()].filter((key) => !is.has(key)).length
    const changed = [...is].filter(([key, flow]) => was.has(key) && was.get(key) !== flow).length
    return added + removed + changed > 0 ? [{ switch: name, flows: { added, changed, removed } }] : []
  })
  expect(plan.unchanged).toBe(false)
  expect(plan.objects.map(({ name, change }: { name: string; change: string }) => `${name} ${change}`)).toEqual([
    'web2 added',
    'web2:eth0 added',
  ])
  expect(plan.switches).toMatchObject(expected)
  expect(plan.switches).toHaveLength(expected.length)
})

test('what guests may notice is said', async () => {
  const wanted = smallTopology()
  wanted.vms.shift()
  const { body } = await ask(live.api, 'POST', '/topology/plan', wanted)
  expect(body.notices).toContain(`${smallTopology().vms[0]!.name} goes: nobody reaches it any more`)
})

/** What each switch has, by what identifies a flow. */
async function flowsByKey(): Promise<Record<string, Map<string, string>>> {
  const states: Record<string, Map<string, string>> = {}
  for (const { name } of live.lab.controller.switches()) {
    const flows = await live.lab.controller.dumpFlows(name)
    const text = (value: unknown) =>
      JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))
    states[name] = new Map(
      flows.map(({ table, priority, match, instructions }) => [text([table, priority, match]), text(instructions)]),
    )
  }
  return states
}
