// What a person meets whose file is wrong: a sentence that says where, and the exit code that scripts look at.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/run-cli.ts'

const examples = fileURLToPath(new URL('../../topologies/examples', import.meta.url))
const topology = join(examples, 'networks/two-tenants.json')
const recorded = join(examples, 'captures/two-tenants.pcapng')
const folder = mkdtempSync(join(tmpdir(), 'signalbox-bad-input-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function signalbox(...args: string[]) {
  const run = await runHere(...args)
  expect(run.stderr).not.toMatch(/\n\s+at .*:\d+:\d+/)
  return run
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const written = JSON.parse(readFileSync(topology, 'utf8')) as Record<string, unknown>
const scenarioWith = (name: string, timeline: object[]) =>
  file(name, JSON.stringify({ topology: written, timeline: timeline.map((step) => ({ at: '0s', ...step })) }))

describe('a capture cut in the middle', () => {
  const whole = readFileSync(recorded)
  const cut = file('cut.pcapng', whole.subarray(0, whole.length / 2 + 1))

  test('replays what is whole, says where it broke, and exits with 2', async () => {
    const { code, stdout, stderr } = await signalbox('replay', '--json', topology, cut)
    expect(code).toBe(2)
    expect(stderr).toContain('cut.pcapng')
    expect(stderr).toMatch(/\d/)
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'pass', frames: { leaked: 0 } })
  })

  test('is taken as it is with --lenient', async () => {
    expect((await signalbox('replay', '--lenient', topology, cut)).code).toBe(0)
  })
})

test('frames that map to no vNIC are counted, and listed by source', async () => {
  const vms = (written['vms'] as { name: string }[]).filter(({ name }) => name !== 'web1')
  const { stdout } = await signalbox(
    'replay',
    '--json',
    file('without-web1.json', JSON.stringify({ ...written, vms })),
    recorded,
  )
  const { frames, unmapped } = JSON.parse(stdout) as {
    frames: { unmapped: number }
    unmapped: { source: string; frames: number }[]
  }
  expect(unmapped).toEqual([{ source: '02:00:00:00:0a:01', frames: frames.unmapped }])
  expect(frames.unmapped).toBeGreaterThan(0)
})

test('a topology with five mistakes: all five are named, each with pointer and line', async () => {
  const broken = {
    version: 1,
    hosts: [{ name: 'h1' }],
    networks: [
      { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.10.0/24' }] },
      { name: 'green', type: 'vlan', segment: 10 },
      { name: 'wide', type: 'vlan', segment: 5000 },
    ],
    vms: [
      { name: 'a', host: 'h2', nics: [{ name: 'eth0', network: 'bleu', mac: '02:00:00:00:00:01' }] },
      {
        name: 'b',
        host: 'h1',
        nics: [{ name: 'eth0', network: 'blue', mac: '02:00:00:00:00:01', addresses: ['10.9.9.9'] }],
      },
    ],
  }
  const { code, stderr } = await signalbox('validate', file('five.json', JSON.stringify(broken, null, 2)))
  expect(code).toBe(2)
  const pointers = [
    '/networks/1/segment',
    '/networks/2/segment',
    '/vms/0/host',
    '/vms/0/nics/0/network',
    '/vms/1/nics/0/addresses/0',
  ]
  for (const pointer of pointers) expect(stderr).toContain(pointer)
  expect(stderr).toContain("did you mean 'blue'")
  expect(stderr.match(/five\.json:\d+/g)!.length).toBeGreaterThanOrEqual(5)
})

test.each([
  ['an unknown keyword', 'table=0,in_prot=1,actions=drop', /in_prot.*did you mean/s],
  ['a missing prerequisite', 'table=0,tp_dst=80,actions=drop', /tp_dst/],
  ['no actions', 'table=0,ip', /actions/],
])('a flow with %s: exit 2, named, with its column', async (_, add, message) => {
  for (const verb of ['replay', 'validate']) {
    const { code, stderr } = await signalbox(verb, scenarioWith('flow.json', [{ flow: { switch: 'h1', add } }]))
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/flow\.json:1:\d+ \/timeline\/0\/flow\/add: column \d+/)
  }
})

test('an expected drop under a misspelt name: exit 2, and the name that was meant', async () => {
  const expected = [{ dropped: { reason: 'port_securty', atMost: 0 } }]
  const scenario = file('misspelt.json', JSON.stringify({ topology: written, expect: expected }))
  const { code, stderr } = await signalbox('replay', scenario)
  expect(code).toBe(2)
  expect(stderr).toMatch(/\/expect\/0\/dropped\/reason: .*did you mean 'port_security'/)
})

describe('a path that leads nowhere is named, with what is missing', () => {
  const plain = file('plain.txt', 'text')
  test.each([
    ['a capture that is a folder', ['replay', topology, folder], `${folder}: is a folder`],
    [
      'an output in no folder',
      ['replay', topology, recorded, '--pcap-out', join(folder, 'none/x')],
      'no such folder: ',
    ],
    ['an output below a file', ['replay', topology, recorded, '--pcap-out', join(plain, 'x')], `${plain} is a file`],
    ['a start below a file', ['init', join(plain, 'x')], `${plain}: is a file`],
  ])('%s', async (_, words, message) => {
    const { code, stderr } = await signalbox(...words)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  test('a capture that is a folder, in a scenario', async () => {
    const { code, stderr } = await signalbox('validate', scenarioWith('dir.json', [{ replay: { capture: folder } }]))
    expect(code).toBe(2)
    expect(stderr).toContain('/timeline/0/replay/capture: this is a folder')
  })

  test.runIf(process.platform === 'linux')('a start where the system has no room for folders', async () => {
    const refused = { code: 2, stderr: expect.stringContaining('/proc') }
    expect(await signalbox('init', '/proc/signalbox')).toMatchObject(refused)
    expect(await signalbox('replay', topology, '--captures', '/proc/signalbox')).toMatchObject(refused)
  })

  test('copies of mirrors in a folder that is a file', async () => {
    const { code, stderr } = await signalbox('replay', topology, '--captures', topology)
    expect({ code, stderr }).toEqual({ code: 2, stderr: `signalbox: ${topology}: is a file; a folder was expected\n` })
  })
})

describe('a report that can not be written', () => {
  const scenario = scenarioWith('reported.json', [{ ping: { from: 'web1', to: 'db1' } }])

  test.each([
    ['replay', '--report'],
    ['replay', '--junit'],
    ['explore', '--report'],
    ['explore', '--trace-out'],
  ])('is found out before %s begins: %s', async (verb, flag) => {
    const path = join(folder, 'nowhere', 'report')
    expect(await signalbox(verb, scenario, flag, path)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`${path}: no such folder`),
    })
    expect(await signalbox(verb, scenario, flag, folder)).toMatchObject({ code: 2, stdout: '' })
  })

  test('leaves nothing where the run comes to none', async () => {
    const path = join(folder, 'report.json')
    expect((await signalbox('replay', scenario, '--report', path, '--junit', folder)).code).toBe(2)
    expect(existsSync(path)).toBe(false)
  })

  test.runIf(process.platform === 'linux')('takes no verdict away', async () => {
    const { code, stdout, stderr } = await signalbox('replay', scenario, '--report', '/dev/full')
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('no space left') })
    expect(stdout).toContain('PASS')
  })
})

test('what a file has for a terminal is told, and not done', async () => {
  const { stderr } = await signalbox(
    'validate',
    file('loud.json', '{"version":1,"hosts":[{"name":"a\\u001b[2J\\nb"}]}'),
  )
  expect(stderr).toContain(String.raw`found 'a\u001b[2J\u000ab'`)
})

test('one schedule goes with no flag for many', async () => {
  for (const flag of ['--trace', '--seeds', '--trace-out'])
    expect(await signalbox('explore', topology, '--seed', '1', flag, '7')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`cannot be used with option '${flag}`),
    })
})

test('a file that is not there, and one that is no JSON: exit 2', async () => {
  const missing = await signalbox('replay', join(folder, 'nothing.json'))
  expect(missing.code).toBe(2)
  expect(missing.stderr).toContain('nothing.json')
  const broken = await signalbox('replay', file('broken.json', '{ "version": 1,'))
  expect(broken.code).toBe(2)
  expect(broken.stderr).toMatch(/broken\.json:1/)
})

test('nothing to check: exit 3', async () => {
  expect((await signalbox('replay', topology)).code).toBe(3)
})

test('an unknown verb and an unknown option: exit 2', async () => {
  expect((await signalbox('relpay', topology)).code).toBe(2)
  expect((await signalbox('replay', topology, '--sede', '1')).code).toBe(2)
})
