import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { loadScenario } from '../../topologies/load.ts'

const vm = (serial: number, policy?: object) => ({
  name: `v${serial}`,
  host: `h${serial}`,
  nics: [{ name: 'eth0', network: 'blue', addresses: [`10.0.0.${serial}`], policy }],
})

test('a replay waits for what is in queues at its end, for as long as they become shorter', async () => {
  const scenario = {
    topology: {
      version: 1,
      hosts: [{ name: 'h1' }, { name: 'h2' }],
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      vms: [vm(1), vm(2, { egressRate: '10kbps' })],
    },
    timeline: [{ at: '0s', send: { from: 'v1', frame: 'udp,nw_dst=10.0.0.2,tp_dst=9', count: 500, rate: 10000 } }],
  }
  const folder = await mkdtemp(join(tmpdir(), 'queues-'))
  const path = join(folder, 'slow.json')
  await writeFile(path, JSON.stringify(scenario))
  const { verdict } = await replay(await loadScenario(path), {})
  await rm(folder, { recursive: true })
  expect(verdict).toMatchObject({ verdict: 'pass', frames: { delivered: 500, held: 0 } })
})
