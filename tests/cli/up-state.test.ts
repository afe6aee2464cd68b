import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { applyNamed, openState } from '../../cli/state.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { loadTopology } from '../../topologies/load.ts'
import { smallTopology, untilReached } from '../support/live-lab.ts'
import { ended, firstLine, runHere, startCli } from '../support/run-cli.ts'
import { whyNoSqlite } from '../support/sqlite.ts'
import { testLog } from '../support/test-log.ts'

test.skipIf(whyNoSqlite !== undefined)('killed, it goes on from its state; two can not have one state', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-up-state-'))
  const [topology, state] = [join(folder, 'small.json'), join(folder, 'state.db')]
  await writeFile(topology, JSON.stringify(smallTopology()))
  const up = async (...args: string[]) => {
    const child = startCli('up', ...args, '--state', state, '--listen', '127.0.0.1:0', '--json', '--log-format', 'json')
    const end = ended(child)
    return { child, end, url: (JSON.parse(await firstLine(child)) as { url: string }).url }
  }

  const empty = await runHere('up', '--state', state)
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing is kept there yet') as string })

  const first = await up(topology)
  const flow = { flow: 'udp,tp_dst=9,actions=drop' }
  expect((await post(`${first.url}/switches/h1/br-int/flows`, flow)).status).toBe(201)
  expect((await post(`${first.url}/migrations?wait=true`, { vm: 'web1', to: 'h2' })).status).toBe(200)
  const second = await runHere('up', '--state', state)
  expect(second).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${state} is in use by another controller`) as string,
  })
  first.child.kill('SIGKILL')
  await first.end

  const again = await up()
  const read = async (path: string) => (await (await fetch(`${again.url}${path}`)).json()) as unknown
  expect(await read('/vms')).toMatchObject([
    { name: 'web1', host: 'h2', state: 'running' },
    { name: 'db1' },
    { name: 'other' },
  ])
  expect(await read('/switches/h1/br-int/flows?match=udp,tp_dst=9')).toMatchObject([{ owner: 'user' }])
  await untilReached(async () => (await post(`${again.url}/ping`, { from: 'web1', to: 'db1' })).json())
  const smaller = { ...smallTopology(), vms: smallTopology().vms.filter(({ name }) => name !== 'other') }
  expect((await put(`${again.url}/topology`, smaller)).status).toBe(200)
  again.child.kill('SIGTERM')
  expect(await again.end).toMatchObject({ code: 0 })

  expect(await isApplied(topology, state)).toBe(true)
  const undone = await up(topology)
  undone.child.kill('SIGTERM')
  const warned = expect.stringMatching(/"level":"warn".*changes it \(vms added: other\)/) as string
  expect(await undone.end).toMatchObject({ code: 0, stderr: warned })
  expect(await isApplied(topology, state)).toBe(false)
  await rm(folder, { recursive: true })
})

/** Whether a start with both would have the topology applied anew. */
async function isApplied(topology: string, file: string): Promise<boolean> {
  const log = await testLog()
  const named = await loadTopology(topology)
  const state = await openState(file, named, { clock: new VirtualClock(), log, keep: {} })
  let applied = false
  const apply = async () => void (applied = true)
  const kept = state.restored.asked
  const controller = { migrationDone: () => Promise.reject(new Error('nobody moves')), topologies: { asked: kept } }
  await applyNamed(named, { controller, apply, kept, log })
  await state.close()
  expect(log.lines).toHaveLength(applied ? 1 : 0)
  return applied
}

const post = (url: string, body: object) => send('POST', url, body)
const put = (url: string, body: object) => send('PUT', url, body)
const send = (method: string, url: string, body: object) =>
  fetch(url, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
