import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LAST_USER_TABLE } from '../../controller/tables.ts'
import { InvalidInput, isScenario, loadScenario } from '../../topologies/load.ts'
import { twoTenants } from '../support/two-tenants.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scenario-'))
  await writeFile(join(folder, 'two-tenants.json'), JSON.stringify(twoTenants()))
  await writeFile(join(folder, 'web.pcapng'), '')
})
afterAll(() => rm(folder, { recursive: true }))

const load = async (scenario: object) => {
  const path = join(folder, 'case.json')
  await writeFile(path, JSON.stringify({ topology: 'two-tenants.json', ...scenario }, null, 1))
  return loadScenario(path)
}

test('a scenario is sorted by time, entries of one instant as they stand', async () => {
  const scenario = await load({
    timeline: [
      { at: '2s', migrate: { vm: 'db1', to: 'h1' } },
      { at: '0s', replay: { capture: 'web.pcapng' } },
      { at: '2s', fail: 'controller' },
      { at: '1s', send: { from: 'db1', frame: 'arp', count: 3 } },
      { at: '2s', heal: { link: ['tor1', 'h2'] } },
      { at: '3s', apply: 'linear,2' },
      { at: '4s', ping: { from: 'vm1', to: 'vm2' } },
    ],
  })
  expect(scenario).toMatchObject({ name: 'case', seed: 1, folder, topology: { name: 'two-tenants' } })
  expect(scenario.timeline.map(({ at, step }) => [at / 1e9, step.type])).toEqual([
    [0, 'replay'],
    [1, 'send'],
    [2, 'migrate'],
    [2, 'fail'],
    [2, 'heal'],
    [3, 'apply'],
    [4, 'ping'],
  ])
  expect(scenario.timeline[0]!.step).toEqual({ type: 'replay', capture: 'web.pcapng', map: 'source-mac', speed: 1 })
  expect(scenario.timeline[2]!.step).toEqual({ type: 'migrate', vm: 'db1', to: 'h1', pause: 30_000_000 })
  expect(scenario.timeline[4]!.step).toEqual({ type: 'heal', target: { kind: 'link', endpoints: ['tor1', 'h2'] } })
})

test('expectations have their defaults', async () => {
  const { expect: expectations } = await load({
    expect: [
      { delivered: { from: 'db1', to: 'router' }, lost: 2 },
      { dropped: { reason: 'link_loss' } },
      { dropped: { reason: 'link_loss', atMost: 4 } },
      { policyFollows: 'db1' },
    ],
  })
  expect(expectations).toEqual([
    { type: 'delivered', from: 'db1', to: 'router', lost: 2, duplicated: 0 },
    { type: 'dropped', reason: 'link_loss', atLeast: 1 },
    { type: 'dropped', reason: 'link_loss', atLeast: 0, atMost: 4 },
    { type: 'policyFollows', vm: 'db1' },
  ])
})

test('a topology may be a shape or stand within', async () => {
  expect((await load({ topology: 'tree,2,2' })).topology.hosts).toHaveLength(4)
  expect((await load({ topology: twoTenants() })).topology.vms).toHaveLength(3)
})

describe('what is wrong is found', () => {
  test.each([
    ['two steps', { timeline: [{ at: '0s', pingall: {}, fail: 'controller' }] }, '/timeline/0'],
    ['no step', { timeline: [{ at: '0s' }] }, '/timeline/0'],
    [
      'a capture that is not there',
      { timeline: [{ at: '0s', replay: { capture: 'no.pcap' } }] },
      '/timeline/0/replay/capture',
    ],
    [
      'a way to map',
      { timeline: [{ at: '0s', replay: { capture: 'web.pcapng', map: 'source' } }] },
      '/timeline/0/replay/map',
    ],
    [
      'a vNIC to map to',
      { timeline: [{ at: '0s', replay: { capture: 'web.pcapng', map: { 'ip,nw_src=10.0.0.0/8': 'web1' } } }] },
      '/timeline/0/replay/map/ip,nw_src=10.0.0.0~18',
    ],
    ['a VM', { timeline: [{ at: '0s', migrate: { vm: 'db2', to: 'h1' } }] }, '/timeline/0/migrate/vm'],
    ['a host', { timeline: [{ at: '0s', migrate: { vm: 'db1', to: 'h4' } }] }, '/timeline/0/migrate/to'],
    [
      'a host without the bridge',
      { timeline: [{ at: '0s', migrate: { vm: 'web1', to: 'h2' } }] },
      '/timeline/0/migrate/to',
    ],
    [
      'a switch',
      { timeline: [{ at: '0s', flow: { switch: 'h1/br', add: 'actions=drop' } }] },
      '/timeline/0/flow/switch',
    ],
    ['a link', { timeline: [{ at: '0s', fail: { link: ['h1', 'h2'] } }] }, '/timeline/0/fail/link'],
    ['a time', { timeline: [{ at: '5', pingall: {} }] }, '/timeline/0/at'],
    ['a network', { expect: [{ isolated: ['blue', 'gren'] }] }, '/expect/0/isolated/1'],
    ['an ambiguous vNIC', { expect: [{ notDelivered: { from: 'web1', to: 'db1' } }] }, '/expect/0/notDelivered/from'],
    ['a reason to drop', { expect: [{ dropped: { reason: 'port_securty', atMost: 0 } }] }, '/expect/0/dropped/reason'],
    ['lost without delivered', { expect: [{ policyFollows: 'db1', lost: 0 }] }, '/expect/0/lost'],
    [
      'a topology within',
      { timeline: [{ at: '0s', apply: { version: 1, hosts: [{ name: 'x/y' }] } }] },
      '/timeline/0/apply/hosts/0/name',
    ],
  ])('%s', async (_, scenario, pointer) => {
    const error = await load(scenario).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidInput)
    expect((error as InvalidInput).problems).toMatchObject([{ pointer }])
  })

  test.each(['link_loss', 'vlan_mismatch', 'port_security', 'user_flow'])('a drop may be called %s', async (reason) => {
    expect((await load({ expect: [{ dropped: { reason } }] })).expect).toHaveLength(1)
  })

  const send = (frame: string) => ({ send: { from: 'db1', frame } })
  const add = (text: string) => ({ flow: { switch: 'h1', add: text } })
  test.each([
    ['a frame of no known field', send('garbage'), '/send/frame', /^column 1: unknown keyword 'garbage'/],
    ['a frame with a port', send('udp,in_port=3'), '/send/frame', /^in_port is no part of a frame/],
    ['a frame with a register', send('udp,reg0=1'), '/send/frame', /^reg0 is no part/],
    ['a frame with a tunnel', send('udp,tun_id=5'), '/send/frame', /^tun_id is no part/],
    ['a frame with metadata', send('udp,metadata=3'), '/send/frame', /^metadata is no part/],
    ['a frame for many', send('udp,nw_dst=10.0.0.0/24'), '/send/frame', /^nw_dst has a mask/],
    ['a frame that is a fragment', send('udp,ip_frag=later'), '/send/frame', /fragment/],
    ['a frame too short', send('ffff'), '/send/frame', /^a frame of 2 bytes/],
    ['half a byte', send('f'.repeat(29)), '/send/frame', /^29 hexadecimal digits/],
    ['a flow without a protocol', add('table=0,tp_dst=9,actions=drop'), '/flow/add', /^column 9: tp_dst needs/],
    ['a flow without actions', add('ip'), '/flow/add', /^column 3: the flow has no actions/],
    ['a flow to no port', add('actions=output:nosuch'), '/flow/add', /^column 16: unknown port 'nosuch'/],
    [
      "a flow in the controller's tables",
      add(`table=${LAST_USER_TABLE + 1},actions=drop`),
      '/flow/add',
      /^table 10 is the controller's/,
    ],
    ['a filter with actions', { flow: { switch: 'h1', del: 'ip,actions=drop' } }, '/flow/del', /has no actions/],
  ])('%s', async (_, step, within, message) => {
    const error = await load({ timeline: [{ at: '0s', ...step }] }).catch((reason: unknown) => reason)
    expect((error as InvalidInput).problems).toMatchObject([
      { pointer: `/timeline/0${within}`, line: expect.any(Number) },
    ])
    expect((error as InvalidInput).problems[0]!.problem).toMatch(message)
  })

  test.each([
    ['nwsrc=10.0.0.1', /^column 1: unknown keyword 'nwsrc'/],
    ['in_port=1', /^in_port is no part of a frame/],
  ])('a filter of frames, at its key: %s', async (filter, message) => {
    const scenario = { timeline: [{ at: '0s', replay: { capture: 'web.pcapng', map: { [filter]: 'db1' } } }] }
    const error = await load(scenario).catch((reason: unknown) => reason)
    expect((error as InvalidInput).problems).toMatchObject([{ pointer: `/timeline/0/replay/map/${filter}`, column: 6 }])
    expect((error as InvalidInput).problems[0]!.problem).toMatch(message)
  })

  test('nothing, in flows to any port by name and in the last table of users', async () => {
    const ports = ['db1:eth0', '"router:eth0"', 'uplink', 'vxlan0', '"patch-br-int"', 'LOCAL', '7']
    const flows = ports.map((port) => `table=${LAST_USER_TABLE},in_port=${port},actions=output:${port}`)
    expect((await load({ timeline: flows.map((flow) => ({ at: '0s', ...add(flow) })) })).timeline).toHaveLength(7)
  })

  test('in the file of the topology too', async () => {
    await writeFile(join(folder, 'broken.json'), '{"version": 1,\n"hosts": 5}')
    const error = await load({ topology: 'broken.json', sed: 1 }).catch((reason: unknown) => reason)
    expect((error as InvalidInput).problems.map(({ file, pointer }) => [file, pointer])).toEqual([
      [join(folder, 'broken.json'), '/hosts'],
      [join(folder, 'case.json'), '/sed'],
    ])
  })
})

test('a scenario is told from a topology', () => {
  expect(isScenario({ topology: 'x.json' })).toBe(true)
  expect(isScenario(twoTenants())).toBe(false)
})
