// The judge of isolation knows tenants, by the topology alone.

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { loadScenarioOrTopology, parseTopology } from '../../topologies/load.ts'
import type { Scenario, Step, TimelineEntry } from '../../topologies/scenario.ts'

const example = fileURLToPath(new URL('../../topologies/examples/tenants.json', import.meta.url))

async function verdictOf(steps: readonly Step[], tenants: string[]) {
  const timeline = steps.map((step, index): TimelineEntry => ({ at: index * 1_000_000_000, step }))
  const scenario: Scenario = { ...(await loadScenarioOrTopology(example)), timeline }
  return (await replay({ ...scenario, expect: [{ type: 'tenantsIsolated', tenants }] })).verdict
}

const udp = (from: string, to: string): Step => ({
  type: 'send',
  from,
  frame: `udp,nw_dst=${to},tp_src=5000,tp_dst=5000`,
  count: 10,
  rate: 1000,
})

test('what a flow lets through from one tenant to another is a leak, though both use the same names and addresses', async () => {
  const flow = 'table=0,priority=200,ip,nw_dst=10.0.0.12,actions=output:"blue/web1:eth0",goto_table:10'
  const verdict = await verdictOf(
    [{ type: 'flow', switch: 'h1/br-int', command: 'add', flow }, udp('red/web1:eth0', '10.0.0.12')],
    ['red', 'blue'],
  )
  expect(verdict.verdict).toBe('fail')
  expect(verdict.frames).toMatchObject({ delivered: 10, lost: 0, leaked: 10 })
  expect(verdict.leaks[0]).toMatchObject({ fromNetwork: 'red/app', toNetwork: 'blue/app', to: 'blue/web1:eth0' })
  expect(verdict.expectations[0]!.why).toBe('10 frames from red/web1:eth0 reached blue/web1:eth0')
})

test('over a network that they share, tenants reach each other, and are not isolated', async () => {
  const steps = [udp('red/web1:eth1', '10.0.20.2')]
  const apart = await verdictOf(steps, ['red', 'blue'])
  expect(apart).toMatchObject({ verdict: 'pass', frames: { delivered: 10, leaked: 0 } })
  const together = await verdictOf(steps, ['red', 'platform'])
  expect(together.frames).toMatchObject({ delivered: 10, leaked: 0 })
  expect(together.expectations).toEqual([
    {
      expect: { type: 'tenantsIsolated', tenants: ['red', 'platform'] },
      held: false,
      why: '10 frames from red/web1:eth1 reached platform/dns1:eth0',
    },
  ])
})

test.each([
  ['from-lport', 'a', '10 copies of what red/a:eth0 says or hears reached blue/ids:tap'],
  ['to-lport', 'b', '10 copies of what red/a:eth0 says or hears reached blue/ids:tap'],
  ['from-lport', 'b', undefined],
])(
  'copies of %s of %s that one tenant may look at are something that it has heard of the other',
  async (direction, port, why) => {
    const vm = (name: string, tenant: string, nic: object) => ({ name, tenant, host: 'h1', nics: [nic] })
    const topology = parseTopology(
      JSON.stringify({
        version: 1,
        hosts: [{ name: 'h1', vtep: '192.0.2.1' }],
        tenants: [{ name: 'red' }, { name: 'blue' }],
        networks: [{ name: 'app', type: 'vlan', segment: 10, tenant: 'red' }],
        vms: [
          vm('a', 'red', { name: 'eth0', network: 'app', addresses: ['10.0.0.1'] }),
          vm('b', 'red', { name: 'eth0', network: 'app', addresses: ['10.0.0.2'] }),
          vm('ids', 'blue', { name: 'tap' }),
        ],
        mirrors: [
          { name: 'tap', direction, source: { port: `red/${port}` }, target: { port: 'blue/ids:tap', segment: 900 } },
        ],
      }),
      'tenants.json',
    )
    const { verdict } = await replay({
      name: 'copies',
      topology,
      folder: '.',
      seed: 1,
      timeline: [{ at: 0, step: udp('red/a', '10.0.0.2') }],
      expect: [{ type: 'tenantsIsolated', tenants: ['red', 'blue'] }],
    })
    expect(verdict).toMatchObject({ frames: { delivered: 10, leaked: 0 }, mirrors: [{ missing: 0, doubled: 0 }] })
    expect(verdict.expectations).toMatchObject([why === undefined ? { held: true } : { held: false, why }])
  },
)
