import { afterEach, beforeEach, expect, test } from 'vitest'
import { flowKey } from '../../../controller/reconcile/switch-state.ts'
import { ask, reaches, smallTopology, startLiveLab, type LiveLab } from '../../support/live-lab.ts'

const inside = { direction: 'ingress', ethertype: 'IPv4', remoteGroup: 'web' }
const grouped = () => ({ ...smallTopology(), securityGroups: [{ name: 'web', rules: [inside] }] })

let live: LiveLab
beforeEach(async () => {
  live = await startLiveLab()
  await ask(live.api, 'PUT', '/topology', grouped())
})
afterEach(() => live.stop())

const flowsOf = async (host: string) => (await live.lab.controller.dumpFlows(host)).map(flowKey).sort()

test("one vNIC's policy is what the same in the file would have made it, and the topology says so", async () => {
  const policy = { egressRate: '10Mbps', dscp: 46, securityGroups: ['web'], deny: 'reject' }
  const answer = await ask(live.api, 'PUT', '/ports/web1%3Aeth0/policy', policy)
  expect(answer).toMatchObject({ status: 200, body: { portSecurity: true, dscp: 46, securityGroups: ['web'] } })
  expect((await ask(live.api, 'GET', '/ports/web1%3Aeth0/policy')).body).toEqual(answer.body)
  const [topology, flows] = [(await ask(live.api, 'GET', '/topology')).body, await flowsOf('h1')]

  const wanted = grouped()
  wanted.vms[0]!.nics[0] = { ...wanted.vms[0]!.nics[0]!, policy } as never
  const plan = await ask(live.api, 'POST', '/topology/plan', wanted)
  expect(plan.body).toMatchObject({ unchanged: true, objects: [], switches: [], notices: [] })
  await ask(live.api, 'PUT', '/topology', grouped())
  expect(await flowsOf('h1')).not.toEqual(flows)
  await ask(live.api, 'PUT', '/topology', wanted)
  expect((await ask(live.api, 'GET', '/topology')).body).toEqual(topology)
  expect(await flowsOf('h1')).toEqual(flows)
})

test('a policy is set as well on a network that only wider links than usual have room for', async () => {
  const link = (host: string) => ({ endpoints: [host, 'tor1'], mtu: 9600 })
  const wide = { ...grouped(), fabric: { switches: [{ name: 'tor1' }], links: [link('h1'), link('h2')] } }
  const networks = wide.networks.map((network) => ({ ...network, mtu: 9500 }))
  expect(await ask(live.api, 'PUT', '/topology', { ...wide, networks })).toMatchObject({ status: 200 })
  const answer = await ask(live.api, 'PUT', '/ports/web1%3Aeth0/policy', { dscp: 46 })
  expect(answer).toMatchObject({ status: 200, body: { dscp: 46 } })
})

test('whoever has a group that lets nobody in is not reached, and none of that is lost', async () => {
  await ask(live.api, 'PUT', '/ports/db1%3Aeth0/policy', { securityGroups: [] })
  const ping = { from: 'web1', to: 'db1', count: 1 }
  expect((await ask(live.api, 'POST', '/ping', ping)).body).toMatchObject({ received: 0 })
  await ask(live.api, 'PUT', '/ports/db1%3Aeth0/policy', {})
  await reaches(live, 'web1', 'db1')
  const { judge, network } = live.lab
  judge.finish(new Set(network.heldFrames()))
  expect([...judge.pairs()].filter(([, , { lost }]) => lost > 0)).toEqual([])
  expect(judge.leaks).toEqual([])
})

test.each([
  ['a key that there is not', { egresRate: '1Mbps' }, '/egresRate', "did you mean 'egressRate'"],
  ['a group that there is not', { securityGroups: ['wep'] }, '/securityGroups/0', "did you mean 'web'"],
  ['a rate that is none', { egressRate: 'fast' }, '/egressRate', 'expected'],
  ['a minimum of nothing', { egressMinimum: '1Mbps' }, '/egressMinimum', 'has no limit'],
  ['no policy', undefined, '', 'expected'],
])('%s is told with its place, and changes nothing', async (_, policy, pointer, detail) => {
  const before = (await ask(live.api, 'GET', '/topology')).body
  const { status, body } = await ask(live.api, 'PUT', '/ports/web1%3Aeth0/policy', policy)
  expect({ status, errors: body.errors }).toEqual({
    status: 400,
    errors: [expect.objectContaining({ pointer, detail: expect.stringContaining(detail) })],
  })
  expect((await ask(live.api, 'GET', '/topology')).body).toEqual(before)
})

test('minima of all vNICs of a host are a sum, also where they come one by one', async () => {
  const topology = { ...grouped(), hosts: grouped().hosts.map((host) => ({ ...host, uplink: { rate: '10Mbps' } })) }
  const vms = topology.vms.map((vm) => ({ ...vm, host: 'h1' }))
  await ask(live.api, 'PUT', '/topology', { ...topology, vms })
  const path = (vm: string) => `/ports/${vm}%3Aeth0/policy`
  expect((await ask(live.api, 'PUT', path('web1'), { ingressMinimum: '6Mbps' })).status).toBe(200)
  const { status, body } = await ask(live.api, 'PUT', path('db1'), { ingressMinimum: '5Mbps' })
  expect({ status, text: JSON.stringify(body) }).toEqual({ status: 400, text: expect.stringContaining('11Mbps') })
  expect((await ask(live.api, 'PUT', path('db1'), { ingressMinimum: '4Mbps' })).status).toBe(200)
  expect((await ask(live.api, 'PUT', path('web1'), { ingressRate: '1Mbps' })).status).toBe(200)
  expect((await ask(live.api, 'PUT', path('db1'), { ingressMinimum: '10Mbps' })).status).toBe(200)
})

test('a vNIC that there is not is not found', async () => {
  expect((await ask(live.api, 'PUT', '/ports/web9%3Aeth0/policy', {})).status).toBe(404)
  expect((await ask(live.api, 'GET', '/ports/web9%3Aeth0/policy')).status).toBe(404)
})
