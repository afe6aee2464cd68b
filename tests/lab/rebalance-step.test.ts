import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createColors } from 'picocolors'
import { expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { textReport } from '../../lab/report/text.ts'
import { loadScenario } from '../../topologies/load.ts'

const vm = (serial: number) => ({
  name: `v${serial}`,
  host: serial < 5 ? 'h1' : 'h2',
  ...(serial < 2 || serial === 5 ? { antiAffinity: 'pair' } : {}),
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`] }],
})

const send = (from: number, to: number) => ({
  at: '0s',
  send: { from: `v${from}`, frame: `udp,nw_dst=10.0.0.${to},tp_dst=9`, count: 400, rate: 2000 },
})

const rebalance = (at: string) => ({ at, rebalance: { parallel: 2, pause: '5ms', budget: { lost: 0, reordered: 0 } } })

const scenario = {
  topology: {
    version: 1,
    name: 'uneven',
    hosts: [{ name: 'h1' }, { name: 'h2' }, { name: 'h3', capacity: 1 }],
    networks: [{ name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.0.0/24' }] }],
    vms: [1, 2, 3, 4, 5].map(vm),
  },
  timeline: [send(1, 2), send(5, 3), send(3, 5), rebalance('50ms'), rebalance('300ms')],
}

test('a scenario may rebalance: frames arrive all the same, and a second time nothing is left to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rebalance-'))
  try {
    const path = join(folder, 'uneven.json')
    await writeFile(path, JSON.stringify(scenario))
    const { verdict } = await replay(await loadScenario(path), {})
    expect(verdict).toMatchObject({ verdict: 'pass', problems: [], frames: { delivered: 1200, lost: 0, reordered: 0 } })
    expect(verdict.relocations).toMatchObject([
      { kind: 'rebalance', state: 'done', moved: 2, left: [] },
      { kind: 'rebalance', state: 'done', moved: 0 },
    ])
    expect(verdict.migrations.map(({ to }) => to).sort()).toEqual(['h2', 'h3'])
    expect(textReport(verdict, createColors(false))).toContain('ok rebalance: done in')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('by traffic, VMs that speak much part, those that are silent stay, and a second time nothing is left to do', async () => {
  const { topology } = scenario
  const busy = (from: number, to: number) => ({
    at: '0s',
    send: { from: `v${from}`, frame: `udp,nw_dst=10.0.0.${to},tp_dst=9`, count: 2000, rate: 2000 },
  })
  const vms = [1, 2, 3, 4, 5].map((serial) => ({ ...vm(serial), host: 'h1', antiAffinity: undefined }))
  const byTraffic = (at: string) => ({ at, rebalance: { by: 'traffic', window: '50ms', pause: '5ms' } })
  const loud = {
    topology: { ...topology, hosts: [{ name: 'h1' }, { name: 'h2' }], vms },
    // v5 says and hears nothing.
    timeline: [busy(1, 2), busy(3, 4), byTraffic('100ms'), byTraffic('500ms')],
  }
  const folder = await mkdtemp(join(tmpdir(), 'rebalance-'))
  try {
    const path = join(folder, 'loud.json')
    await writeFile(path, JSON.stringify(loud))
    const { verdict } = await replay(await loadScenario(path), {})
    expect(verdict).toMatchObject({ verdict: 'pass', problems: [], frames: { delivered: 4000, lost: 0, reordered: 0 } })
    // Four are as loud as each other: two of them go, and so it is even.
    expect(verdict.relocations).toMatchObject([
      { kind: 'rebalance', state: 'done', moved: 2, left: [] },
      { kind: 'rebalance', state: 'done', moved: 0 },
    ])
    expect(verdict.migrations.map((move) => move.vm)).not.toContain('v5')
  } finally {
    await rm(folder, { recursive: true })
  }
})
