import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

let live: LiveLab
beforeAll(async () => {
  live = await startLiveLab()
  await ask(live.api, 'PUT', '/topology', smallTopology())
})
afterAll(() => live.stop())

test('the topology that runs changes nothing, and is said to', async () => {
  const { status, body } = await ask(live.api, 'POST', '/topology/plan', smallTopology())
  expect({ status, ...body }).toEqual({ status: 200, unchanged: true, objects: [], switches: [], notices: [] })
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
