import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildServer } from '../../../controller/api/server.ts'
import { openStateFile } from '../../../controller/state/open-state.ts'
import { Lab } from '../../../lab/lab.ts'
import { WallClock } from '../../../runtime/wall-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { runHere } from '../../support/run-cli.ts'
import { ask, smallTopology, startLiveLab, untilReached } from '../../support/live-lab.ts'
import { whyNoSqlite } from '../../support/sqlite.ts'

const FLOWS = '/switches/h1/br-int/flows'

describe.skipIf(whyNoSqlite !== undefined)(`a controller with a state (${whyNoSqlite ?? 'SQLite is there'})`, () => {
  let folder: string
  let file: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signalbox-history-'))
    file = join(folder, 'state.db')
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function start(stateFile: string) {
    const clock = new WallClock()
    const state = await openStateFile(stateFile, { clock })
    const isNew = state.restored.asked === undefined
    const options = { clock, seed: 1 }
    const lab = isNew
      ? await Lab.start(parseTopology(JSON.stringify(smallTopology()), 'small'), { ...options, state })
      : await Lab.resume(state, options)
    const api = await buildServer(lab.controller, { changes: lab.changes })
    const stop = async () => {
      await api.close()
      await state.close()
      clock.stop()
    }
    return { api, lab, stop }
  }

  test('tells who did what, page by page; a backup of it starts where it was', async () => {
    const { api, stop } = await start(file)
    const add = (port: number) => ask(api, 'POST', FLOWS, { flow: `udp,tp_dst=${port},actions=drop` })
    for (const port of [1, 2, 3]) expect((await add(port)).status).toBe(201)
    expect((await ask(api, 'POST', FLOWS, { flow: 'table=99,udp,actions=drop' })).status).toBe(400)
    expect((await ask(api, 'POST', '/migrations?wait=true', { vm: 'web1', to: 'h2' })).body).toMatchObject({
      state: 'done',
    })

    const { body: first } = await ask(api, 'GET', '/history?limit=4')
    expect(first.entries.map((entry: { operation: string }) => entry.operation)).toEqual([
      'migrate',
      'add flows',
      'add flows',
      'add flows',
    ])
    expect(first.entries[1]).toMatchObject({
      by: 'local',
      result: expect.stringContaining("table 99 is the controller's") as string,
    })
    const { body: second } = await ask(api, 'GET', `/history?limit=4&before=${first.next}`)
    expect(second.entries.map((entry: { operation: string }) => entry.operation)).toEqual([
      'add flows',
      'apply topology',
    ])
    expect(second).not.toHaveProperty('next')
    expect((await ask(api, 'GET', '/history?since=2999-01-01')).body).toEqual({ entries: [] })
    expect(await ask(api, 'GET', '/history?since=yesterday')).toMatchObject({ status: 400 })

    const copy = join(folder, 'copy.db')
    const answer = await api.inject({ method: 'POST', url: '/backup' })
    await writeFile(copy, answer.rawPayload)
    const { body: topology } = await ask(api, 'GET', '/topology')
    await stop()

    const { stdout, code } = await runHere('history', '--state', copy, '--limit', '2')
    expect({ code, lines: stdout.trimEnd().split('\n') }).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(/^NUMBER/),
        expect.stringMatching(/^5 .*add flows.*table 99/),
        expect.stringMatching(/^6 .*migrate +ok/),
      ],
    })
    const again = join(folder, 'again.db')
    expect((await runHere('backup', again, '--state', copy, '--quiet')).code).toBe(0)
    expect(await runHere('backup', again, '--state', copy)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is there already') as string,
    })

    const restored = await start(again)
    expect((await ask(restored.api, 'GET', '/topology')).body).toEqual(topology)
    const flows = (await ask(restored.api, 'GET', `${FLOWS}?match=udp`)).body as { owner: string }[]
    expect(flows.filter(({ owner }) => owner === 'user')).toHaveLength(3)
    const { lab } = restored
    const [web1, db1] = lab.controller.topology.vms.map(({ nics }) => nics[0]!)
    await untilReached(() => lab.pinger.ping(web1!, db1!, { count: 1, interval: 1 }))
    await restored.stop()
  })

  test('goes on with a changed topology, guests where migrations took them', async () => {
    const own = join(folder, 'own.db')
    const before = await start(own)
    await ask(before.api, 'POST', '/migrations?wait=true', { vm: 'web1', to: 'h2' })
    await before.stop()
    const { api, lab, stop } = await start(own)
    const changed = smallTopology()
    changed.vms.push({ ...changed.vms[0]!, name: 'web2' })
    delete (changed.vms[3]!.nics[0] as { addresses?: string[] }).addresses
    expect((await ask(api, 'PUT', '/topology', changed)).status).toBe(200)
    const hosts = lab.controller.topology.vms.map(({ name, host }) => `${name} ${host}`)
    expect(hosts).toEqual(['web1 h2', 'db1 h2', 'other h2', 'web2 h1'])
    expect(lab.network.hostOf('web1')).toBe('h2')
    await stop()
  })
})

test('a controller that keeps nothing says so', async () => {
  const { api, stop } = await startLiveLab()
  for (const [method, url] of [
    ['GET', '/history'],
    ['POST', '/backup'],
  ] as const)
    expect(await ask(api, method, url)).toMatchObject({
      status: 409,
      body: { detail: 'this controller keeps nothing: it was started without --state FILE' },
    })
  await stop()
})

test('a state that is not there is no state to read', async () => {
  expect(await runHere('history', '--state', '/nowhere/state.db')).toMatchObject({
    code: 2,
    stderr: 'signalbox: /nowhere/state.db: no such file\n',
  })
})
