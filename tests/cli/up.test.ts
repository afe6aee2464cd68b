import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describe as describeFrame } from '../../protocols/packet/packet.ts'
import { readAll } from '../support/capture-reading.ts'
import { smallTopology, untilReached } from '../support/live-lab.ts'
import { ended, firstLine, runHere, startCli } from '../support/run-cli.ts'

let folder: string
let topology: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-up-'))
  topology = join(folder, 'small.json')
  await writeFile(topology, JSON.stringify(smallTopology()))
})
afterAll(() => rm(folder, { recursive: true }))

/** Serves two VMs that ping each other so many times; how many echoes they were. */
async function served(signal: 'SIGINT' | 'SIGTERM', count: number, ...words: string[]): Promise<number> {
  const child = startCli('up', ...words, '--listen', '127.0.0.1:0', '--json')
  const end = ended(child)
  const { url } = JSON.parse(await firstLine(child)) as { url: string }
  const health = await fetch(`${url}/health`)
  expect(await health.json()).toMatchObject({ status: 'ok', switches: { total: 2 } })
  let requests = 0
  await untilReached(async () => {
    requests += count
    return (await post(`${url}/ping`, { from: 'web1', to: 'db1', count, interval: '1ms' })).json()
  }, count)
  // A stream and a ping that are under way do not hold it up.
  const streams = [fetch(`${url}/events`), post(`${url}/ping`, { from: 'other', to: 'db1', count: 100 })]
  const hungUp = Promise.allSettled(streams)
  await streams[0]
  child.kill(signal)
  expect(await end).toMatchObject({ code: 0, stderr: expect.stringContaining('nobody is asked for a token') })
  await hungUp
  return 2 * requests
}

test('says where it listens, serves, and ends on a signal with 0; what mirrors copied is whole, and set aside by the next run', async () => {
  const mirrored = join(folder, 'mirrored.json')
  const mirror = { name: 'web1', source: { port: 'web1' }, target: { file: 'web1.pcapng' } }
  await writeFile(mirrored, JSON.stringify({ ...smallTopology(), mirrors: [mirror] }))
  const captures = join(folder, 'captures')
  const echoes = async (name: string) => {
    const { frames, damage } = await readAll([readFileSync(join(captures, name))])
    expect(damage).toBeUndefined()
    return frames.filter(({ bytes }) => describeFrame(bytes).includes('echo')).length
  }
  const first = await served('SIGINT', 2, mirrored, '--captures', captures)
  expect(await echoes('web1.pcapng')).toBe(first)
  const second = await served('SIGTERM', 3, mirrored, '--captures', captures)
  expect([await echoes('web1.pcapng'), await echoes('web1.pcapng.1')]).toEqual([second, first])
})

test('ends with a sentence and 2 where the port is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as AddressInfo
  const { code, stderr } = await runHere('up', topology, '--listen', `127.0.0.1:${port}`)
  other.close()
  expect(code).toBe(2)
  expect(stderr).toMatch(new RegExp(`^signalbox: 127\\.0\\.0\\.1:${port} is in use; [^\\n]+\\n$`, 'm'))
})

test.each([
  ['0.0.0.0:0', [], /^signalbox: 0\.0\.0\.0 is not loopback: .*--tokens FILE .*, and --api-private-key/],
  ['0.0.0.0:0', ['--no-auth'], /--no-auth is for loopback only/],
  ['127.0.0.1:0', ['--no-auth', '--tokens', 'some.json'], /contradict each other/],
  ['127.0.0.1:0', ['--api-certificate', 'some.pem'], /go together/],
  ['127.0.0.1:0', ['--rate-limit', 'often'], /a number of requests a second/],
] as const)('is refused at %s with %j', async (address, words, why) => {
  const { code, stdout, stderr } = await runHere('up', topology, '--listen', address, ...words)
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(why) })
})

test('ends with what is wrong and 2 where the topology is', async () => {
  const { code, stderr } = await runHere('up', join(folder, 'none.json'))
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('there is no such file') })
})

const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
