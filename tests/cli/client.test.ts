import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ApiClient } from '../../cli/client.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import type { Nic } from '../../topologies/topology.ts'
import { ask, startLiveLab, type LiveLab } from '../support/live-lab.ts'
import { igmpFrameOf } from '../support/random-memberships.ts'
import { runHere, runReading } from '../support/run-cli.ts'

let live: LiveLab
let url: string
let folder: string
beforeAll(async () => {
  live = await startLiveLab()
  await live.api.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(live.api.server.address() as AddressInfo).port}`
  folder = await mkdtemp(join(tmpdir(), 'signalbox-client-'))
})
afterAll(async () => {
  await live.stop()
  await rm(folder, { recursive: true })
})
afterEach(() => ask(live.api, 'DELETE', '/switches/h1/br-int/flows'))

const signalbox = (...args: string[]) => runHere(...args, '--api', url)

describe('flow', () => {
  test('adds, shows in the layout of ovs-ofctl, and deletes', async () => {
    expect(await signalbox('flow', 'add', 'h1', 'priority=100,icmp,actions=drop')).toMatchObject({
      code: 0,
      stderr: '',
    })
    const { stdout } = await signalbox('flow', 'dump', 'h1/br-int', 'icmp')
    expect(stdout).toMatch(/^ cookie=0x0, duration=[\d.]+s, table=0, .*priority=100,icmp actions=drop\n$/)
    const deleted = await signalbox('flow', 'del', 'h1', 'priority=100,icmp', '--strict')
    expect(deleted).toMatchObject({ code: 0, stdout: 'deleted 1 flow\n' })
  })

  test('adds all of a file or none, and says where the file is wrong', async () => {
    const file = join(folder, 'flows.txt')
    await writeFile(file, '# first\npriority=1,tcp,actions=drop\ntcp,tp_dts=80,actions=drop\nudp\n')
    const { code, stderr } = await signalbox('flow', 'add-all', 'h1', file)
    expect(code).toBe(2)
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/flows\.txt:3:5: unknown keyword 'tp_dts'.*did you mean 'tp_dst'/),
      expect.stringMatching(/flows\.txt:4:4: the flow has no actions/),
      '',
    ])
    const input = 'priority=1,tcp,actions=drop\npriority=2,tcp,actions=drop\n'
    const added = await runReading(input, 'flow', 'add-all', 'h1', '-', '--api', url)
    expect(added).toMatchObject({ code: 0, stdout: 'added 2 flows\n' })
  })

  test('tells what the switch refuses, as one sentence', async () => {
    const { code, stderr } = await signalbox('flow', 'add', 'h1', 'actions=meter:77,drop')
    expect(code).toBe(2)
    expect(stderr).toMatch(/^signalbox: [^\n]+\n$/)
  })
})

test('vm moves tells of the newest moves, and what became of them', async () => {
  for (const to of ['h2', 'h1', 'h2']) await signalbox('vm', 'migrate', 'web1', to, '--pause', '0ms')
  const { code, stdout } = await signalbox('vm', 'moves', '--limit', '2')
  expect({
    code,
    rows: stdout
      .trimEnd()
      .split('\n')
      .map((row) => row.split(/ +/)),
  }).toEqual({
    code: 0,
    rows: [
      ['MOVE', 'VM', 'FROM', 'TO', 'STATE', 'BLACKOUT', 'HELD', 'POLICY', 'PROBLEM'],
      ['m2', 'web1', 'h2', 'h1', 'done', expect.stringContaining('s'), '0', 'identical'],
      ['m3', 'web1', 'h1', 'h2', 'done', expect.stringContaining('s'), '0', 'identical'],
    ],
  })
  await signalbox('vm', 'migrate', 'web1', 'h1', '--pause', '0ms')
})

test('network tells who listens to multicast', async () => {
  const [{ mac }] = live.lab.controller.topology.vms.find(({ name }) => name === 'other')!.nics as [Nic]
  const from = { ethSrc: parseMac(mac), ipSrc: parseIpv4('10.1.0.11') }
  live.lab.inject(
    'other:eth0',
    igmpFrameOf({ type: 'report', version: 2, group: parseIpv4('239.1.2.3') }, from),
    'test',
  )
  live.lab.inject('other:eth0', igmpFrameOf({ type: 'query', group: 0, maxResponseCode: 100 }, from), 'test')
  while (live.lab.controller.snooper.statusOf('green').length < 2) await new Promise((resolve) => setImmediate(resolve))
  const { stdout } = await signalbox('network', 'groups', 'green')
  expect(stdout.split('\n').map((line) => line.trim().replaceAll(/ {2,}/g, '  '))).toEqual([
    'VNIC  GROUP  AGE',
    'other:eth0  239.1.2.3  0',
    'other:eth0  querier 10.1.0.11  0',
    '',
  ])
  expect(JSON.parse((await signalbox('network', 'groups', 'blue', '--json')).stdout)).toEqual([])
  expect(await signalbox('network', 'groups', 'grey')).toMatchObject({ code: 2 })
  expect((await signalbox('network', 'list')).stdout).toMatch(/^green +vxlan +5001 +1500 +1$/m)
})

test('port policy sets the policy of one vNIC whole, shows it, and says what is wrong with it', async () => {
  const set = await signalbox('port', 'policy', 'web1:eth0', '{"egressRate": "5Mbps"}')
  expect(set).toMatchObject({ code: 0, stderr: '', stdout: 'web1:eth0 has its policy on every switch\n' })
  const shown = await signalbox('port', 'policy', 'web1:eth0')
  expect(JSON.parse(shown.stdout)).toEqual({ portSecurity: true, egressRate: '5Mbps', egressBurst: '50kb' })
  const wrong = await signalbox('port', 'policy', 'web1:eth0', '{"dscp": 99}')
  expect(wrong).toMatchObject({ code: 2, stdout: '' })
  expect(wrong.stderr).toContain('/dscp: ')
  const back = await runReading('{}', 'port', 'policy', 'web1:eth0', '-', '--api', url)
  expect(back.code).toBe(0)
  expect(JSON.parse((await signalbox('port', 'policy', 'web1:eth0')).stdout)).toEqual({ portSecurity: true })
})

test('vm add, set, show and del change one VM, and say what is wrong with it', async () => {
  const form = (host: string) => JSON.stringify({ host, nics: [{ name: 'eth0', network: 'blue' }] })
  expect(await signalbox('vm', 'add', 'web9', form('h1'))).toMatchObject({ code: 0, stderr: '' })
  const twice = await signalbox('vm', 'add', 'web9', form('h1'))
  expect(twice).toMatchObject({ code: 2, stderr: "signalbox: there is a VM 'web9' already\n" })
  expect(await signalbox('vm', 'set', 'web9', form('h2'))).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse((await signalbox('vm', 'show', 'web9')).stdout)).toMatchObject({ name: 'web9', host: 'h2' })
  const wrong = await signalbox('vm', 'set', 'web9', form('h9'))
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("/host: no host 'h9'") })
  const list = await signalbox('vm', 'set', 'web9', '[]')
  expect(list).toMatchObject({ code: 2, stderr: expect.stringContaining('the VM is no JSON object; expected {') })
  expect(await signalbox('vm', 'del', 'web9')).toMatchObject({ code: 0, stderr: '' })
  expect(live.lab.controller.vms().map(({ name }) => name)).not.toContain('web9')
})

test('apply shows what a file would change, does it, and then has nothing to do', async () => {
  const file = join(folder, 'wanted.json')
  const running = (await ask(live.api, 'GET', '/topology')).body
  const wanted = structuredClone(running)
  wanted.networks[0].segment = 99
  await writeFile(file, JSON.stringify(wanted))
  const planned = await signalbox('apply', file, '--plan')
  expect(planned).toMatchObject({ code: 0, stderr: '' })
  expect(planned.stdout).toMatch(/^~ network \S+: segment$/m)
  expect(planned.stdout).toMatch(/^h1\/br-int +\+\d+ ~\d+ -\d+/m)
  expect((await ask(live.api, 'GET', '/topology')).body).toEqual(running)
  const [, tag = ''] = /^plan (\S+)$/m.exec(planned.stdout) ?? []
  await writeFile(file, JSON.stringify({ ...wanted, name: 'renamed' }))
  const refused = await signalbox('apply', file, '--as-planned', tag)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('nothing was changed: ')
  await writeFile(file, JSON.stringify(wanted))
  const done = await signalbox('apply', file, '--as-planned', tag)
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect((await ask(live.api, 'GET', '/topology')).body.networks[0].segment).toBe(99)
  expect(await signalbox('apply', file)).toMatchObject({ code: 0, stdout: 'Nothing changes.\n' })
  await ask(live.api, 'PUT', '/topology', running)
})

test('apply tells of no change that somebody else has made since', async () => {
  const file = join(folder, 'since.json')
  const running = (await ask(live.api, 'GET', '/topology')).body
  const wanted = structuredClone(running)
  wanted.networks[0].segment = 98
  await writeFile(file, JSON.stringify(wanted))
  const json = ApiClient.prototype.json
  const since = { number: 1e6, state: 'done', connections: { cut: 77, unknown: [] } }
  const spy = vi.spyOn(ApiClient.prototype, 'json').mockImplementation(function (this: ApiClient, ...asked) {
    return asked[1] === '/topology/change' ? Promise.resolve([since] as never) : (json.apply(this, asked) as never)
  })
  const { code, stdout } = await signalbox('apply', file)
  spy.mockRestore()
  expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({
    code: 0,
    last: 'Done: every switch that is connected has confirmed it.',
  })
  await ask(live.api, 'PUT', '/topology', running)
})

test('apply of a file with mistakes says all of them and where, and changes nothing', async () => {
  const file = join(folder, 'wrong.json')
  await writeFile(
    file,
    '{ "version": 1, "name": "x", "hosts": [], "networks": [{ "name": "a", "type": "vlan", "segment": 5000 }] }',
  )
  const { code, stdout, stderr } = await signalbox('apply', file)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('/networks/0/segment')
})

test('vm migrate waits for the end and tells of it; vm list shows where it is', async () => {
  const { code, stdout } = await signalbox('vm', 'migrate', 'web1', 'h2', '--pause', '5ms')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^web1: h1 -> h2 done; blackout [\d.]+ms, held \d+ frames, policy identical\n$/)
  const vms = JSON.parse((await signalbox('vm', 'list', '--json')).stdout) as { name: string; host: string }[]
  expect(vms.find(({ name }) => name === 'web1')).toMatchObject({ host: 'h2' })
})

describe('ping', () => {
  test('ends with 0 where all answers came, with 1 and a reason where not', async () => {
    expect(await signalbox('ping', 'web1', 'db1')).toMatchObject({
      code: 0,
      stdout: 'web1:eth0 -> db1:eth0: 1 sent, 1 received, 0% lost\n',
    })
    const { code, stdout } = await signalbox('ping', 'web1', 'other')
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('nobody answered') })
  })

  test('of all prints the matrix, and ends with 1 where the topology promises more', async () => {
    const matrix = ['*** Ping: testing ping reachability', 'web1 -> db1 X', 'db1 -> web1 X', 'other -> X X']
    const good = await signalbox('pingall')
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(good.stdout.split('\n')).toEqual([...matrix, '*** Results: 66% dropped (2/6 received)', ''])
    await signalbox('link', 'down', 'h2', 'fabric', '--quiet')
    await signalbox('vm', 'migrate', 'web1', 'h1', '--quiet')
    const bad = await signalbox('pingall')
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('web1:eth0 did not reach db1:eth0') })
    expect(await signalbox('link', 'up', 'h2', 'fabric')).toMatchObject({ code: 0, stdout: 'h2 -- fabric is up\n' })
  })
})

test('says so where nobody listens', async () => {
  const { code, stderr } = await runHere('vm', 'list', '--api', 'http://127.0.0.1:9')
  expect(code).toBe(2)
  expect(stderr).toBe(
    'signalbox: nobody listens at http://127.0.0.1:9; is `signalbox up` or `signalbox controller` running?\n',
  )
})

test('flags after the verb of a verb are its own, also where both have one of that name', async () => {
  const { code, stdout } = await signalbox('host', 'drain', 'h1', '--plan', '--json')
  expect({ code, plan: JSON.parse(stdout) as object }).toMatchObject({
    code: 0,
    plan: { moves: expect.any(Array) as object },
  })
})
