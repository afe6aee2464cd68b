// A change that the controller refuses is no change: the emulated network is as it was, the judge's law is, and the next change goes on from there.

import { describe, expect, test } from 'vitest'
import { Conflict } from '../../controller/model.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'

const guest = (name: string, host: string, network: string, number: number, policy = {}) => ({
  name,
  host,
  nics: [{ name: 'eth0', network, mac: `02:00:00:00:00:0${number}`, addresses: [`10.0.0.${number}`], policy }],
})

const topologyOf = (vms: object[]) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'refused',
      hosts: [{ name: 'h1' }, { name: 'h2' }, { name: 'h3' }],
      networks: [
        { name: 'blue', type: 'vlan', segment: 10 },
        { name: 'green', type: 'vlan', segment: 20 },
      ],
      vms,
    }),
    'refused.json',
  )

const a = guest('a', 'h1', 'blue', 1)
const b = guest('b', 'h1', 'green', 2)
const c = guest('c', 'h2', 'blue', 3)

const toAll = udpFrame({
  ethSrc: parseMac('02:00:00:00:00:01'),
  ethDst: 0xffffffffffffn,
  ipSrc: parseIpv4('10.0.0.1'),
  ipDst: parseIpv4('10.0.0.255'),
  srcPort: 1,
  dstPort: 9,
})

/** What the judge says of it that b hears what a has said to all: b is on another network. */
function overheard({ judge, clock }: Lab): string {
  const at = clock.now()
  judge.sent(1e9, 'a:eth0', at, toAll, { source: 'test', number: 0, made: false })
  return judge.heard(1e9, 'b:eth0', at, toAll)
}

async function drained() {
  const lab = await Lab.start(topologyOf([a, b]), { clock: new VirtualClock(), seed: 1 })
  await lab.settle(lab.controller.relocations.drain('h2'))
  return lab
}

const places = ({ network }: Lab) => ['a', 'b', 'c'].map((vm) => network.hostOf(vm))

describe('a topology that is refused', () => {
  test('leaves guests where they are', async () => {
    const lab = await drained()
    await expect(lab.settle(lab.apply(topologyOf([b, c])))).rejects.toThrow(Conflict)
    expect(places(lab)).toEqual(['h1', 'h1', undefined])
    expect(lab.controller.topology.vms.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('leaves guests running that it would have moved, and the next one moves them', async () => {
    const lab = await drained()
    const moved = { ...b, host: 'h3', nics: [{ ...b.nics[0]!, network: 'blue' }] }
    await expect(lab.settle(lab.apply(topologyOf([a, moved, c])))).rejects.toThrow(Conflict)
    const { injected } = lab.judge.frames
    lab.inject('b:eth0', toAll, 'test')
    expect(lab.judge.frames.injected).toBe(injected + 1)
    await lab.settle(lab.apply(topologyOf([a, moved])))
    expect(places(lab)).toEqual(['h1', 'h3', undefined])
    lab.inject('b:eth0', toAll, 'test')
    expect(lab.judge.frames.injected).toBe(injected + 2)
  })

  test('is no law: what it would have allowed is a leak', async () => {
    const lab = await drained()
    const moved = { ...b, nics: [{ ...b.nics[0]!, network: 'blue' }] }
    await expect(lab.settle(lab.apply(topologyOf([a, moved, c])))).rejects.toThrow(Conflict)
    expect(overheard(lab)).toBe('leaked')
  })
})

test('a policy that is refused while its VM moves is no law', async () => {
  const lab = await Lab.start(topologyOf([a, b]), { clock: new VirtualClock(), seed: 1 })
  const done = lab.migrate('a', 'h3', 20 * MILLISECOND)
  const policy = { ...lab.controller.topology.vms[0]!.nics[0]!.policy, dscp: 10 }
  const before = lab.judge.amend(lab.controller.topology)
  await expect(lab.settle(lab.changes.setPolicy('a:eth0', () => policy))).rejects.toThrow(Conflict)
  await lab.settle(done)
  // The next law has the next number.
  expect(lab.judge.amend(topologyOf([a]))).toBe(before + 1)
})

test('a topology is refused where a VM has been left at two places by a fault in its move', async () => {
  const lab = await Lab.start(topologyOf([a, b]), { clock: new VirtualClock(), seed: 1 })
  lab.controller.subscribe((event) => {
    if (event.type === 'migration' && event.migration.state === 'commit') throw new Error('a fault of ours')
  })
  const { state, problem } = await lab.settle(lab.migrate('a', 'h3', 0))
  expect([state, problem]).toEqual(['failed', 'a fault of ours'])
  await expect(lab.settle(lab.apply(topologyOf([a, b, c])))).rejects.toThrow(Conflict)
})
