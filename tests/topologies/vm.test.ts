// One VM by itself against its slow twin: the whole topology, with this VM as its last.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'
import type { WrittenTopology, WrittenVm } from '../../topologies/schema/topology.ts'
import type { Topology, Vm } from '../../topologies/topology.ts'
import { parseVm, vmToJson } from '../../topologies/vm.ts'
import { topologyToJson } from '../../topologies/write.ts'
import { twoTenants } from '../support/two-tenants.ts'
import { seeds } from '../support/seeds.ts'

const example = (name: string) => {
  const file = new URL(`../../topologies/examples/networks/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as WrittenTopology
}

/** With limits that a VM more may break. */
function narrow(written: WrittenTopology, random: Random): WrittenTopology {
  const { vms = [], networks = [] } = written
  const hosts = written.hosts.map((host) => ({
    ...host,
    uplink: { rate: '100Mbps' },
    capacity: vms.filter(({ host: at }) => at === host.name).length + random.below(2),
  }))
  const roomy = networks.map((network) => ({ ...network, mtu: 1400, qos: { egressRate: '50Mbps' } }))
  return { ...written, hosts, networks: roomy }
}

const SOURCES = [() => example('tenants'), () => example('mirrors'), () => example('shared-uplink'), twoTenants]

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

type Wish = Record<string, unknown> & { nics: Record<string, unknown>[] }

/** What somebody might ask for: a VM that is there, or a copy of one, changed here and there, also to what can not be. */
function randomWish(random: Random, { vms = [], networks = [], hosts }: WrittenTopology): Wish {
  const wish = structuredClone(pick(random, vms)) as unknown as Wish
  const other = pick(random, vms)
  if (random.below(2) === 0) Object.assign(wish, { name: 'more' })
  if (wish['name'] === 'more' && random.below(4) > 0)
    for (const [index, nic] of wish.nics.entries()) {
      nic['mac'] = `02:00:00:00:99:0${index}`
      nic['addresses'] = []
    }
  for (let round = random.below(3); round > 0; round--) {
    const nic = pick(random, wish.nics)
    const theirs = other.nics.length > 0 ? pick(random, other.nics) : undefined
    pick(random, [
      () => (wish['host'] = pick(random, [...hosts.map(({ name }) => name), 'h9'])),
      () => (wish['antiAffinity'] = 'apart'),
      () => (wish['tenant'] = other.tenant ?? 'nobody'),
      () => (wish['colour'] = 'green'),
      () => wish.nics.push({ ...theirs, name: 'more' }),
      () => wish.nics.pop(),
      () => nic && (nic['network'] = pick(random, [...networks.map(({ name }) => name), 'bleu'])),
      () => nic && (nic['addresses'] = theirs?.addresses ?? ['10.0.0.0']),
      () => nic && (nic['mac'] = theirs?.mac ?? 'none'),
      () => nic && (nic['bridge'] = pick(random, ['br-int', 'br-web'])),
      () => nic && (nic['trunks'] = [{ tag: 1 + random.below(2), network: networks[0]!.name }]),
      () => nic && (nic['policy'] = { securityGroups: [pick(random, ['default', 'web'])] }),
      () => nic && (nic['policy'] = { ingressMinimum: '90Mbps' }),
      () => nic && (nic['policy'] = { egressMinimum: pick(random, ['10Mbps', '60Mbps']) }),
    ])()
  }
  return wish
}

const nameOf = ({ name, tenant }: Partial<WrittenVm>) => (tenant === undefined ? name! : `${tenant}/${name}`)

type Outcome = { vm: Vm | undefined } | { wrong: string[] }

function outcome(at: string, read: () => Vm | undefined): Outcome {
  try {
    return { vm: read() }
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    // Where a mirror misses a vNIC, what it may name instead is looked for among few.
    const wrong = error.problems.map(({ pointer, problem, expected, didYouMean = '' }) =>
      [
        pointer.startsWith(at) ? pointer.slice(at.length) : '',
        problem,
        ...(problem.startsWith('no vNIC') ? [] : [expected, didYouMean]),
      ].join(' | '),
    )
    return { wrong: wrong.sort() }
  }
}

/** As the whole is read, in which it is the last VM. */
function inWhole(topology: Topology, wish: Wish): Outcome {
  const written = topologyToJson(topology)
  const others = written.vms!.filter((vm) => nameOf(vm) !== nameOf(wish as Partial<WrittenVm>))
  const vms = [...others, wish]
  return outcome(`/vms/${others.length}`, () => parseTopology(JSON.stringify({ ...written, vms }), 'whole').vms.at(-1))
}

describe.each(seeds(1))('seed %i', (seed) => {
  test('one VM is what it would be as the last of the whole, or refused for the same reasons', () => {
    const random = seeded(seed)
    const counts = { taken: 0, refused: 0 }
    for (let round = 0; round < 100; round++) {
      const written = narrow(pick(random, SOURCES)() as WrittenTopology, random)
      const topology = parseTopology(JSON.stringify(written), 'whole')
      const wish = randomWish(random, topologyToJson(topology))
      const name = nameOf(wish as Partial<WrittenVm>)
      const found = outcome('', () => parseVm(JSON.stringify(wish), name, topology))
      expect(found, JSON.stringify(wish)).toEqual(inWhole(topology, wish))
      counts['vm' in found ? 'taken' : 'refused']++
    }
    expect(Math.min(counts.taken, counts.refused)).toBeGreaterThan(15)
  })
})

test('what is wrong is told with its line, and a name other than that asked for is wrong', () => {
  const topology = parseTopology(JSON.stringify(twoTenants()), 'two-tenants')
  const text = '{\n  "name": "more",\n  "host": "h9",\n  "nics": []\n}'
  const problems = () => {
    try {
      parseVm(text, 'less', topology)
      return []
    } catch (error) {
      return (error as InvalidInput).problems
    }
  }
  expect(problems()).toMatchObject([
    { file: 'VM', pointer: '/name', line: 2, problem: "found 'more'", expected: "'less'" },
    { pointer: '/host', line: 3, problem: "no host 'h9'" },
  ])
  for (const broken of ['', '{', '[]', 'null', '"web"'])
    expect(() => parseVm(broken, 'less', topology), broken).toThrow(InvalidInput)
})

test('what is written of a VM reads the same', () => {
  for (const source of SOURCES) {
    const topology = parseTopology(JSON.stringify(source()), 'whole')
    for (const vm of topology.vms) expect(parseVm(JSON.stringify(vmToJson(vm)), vm.name, topology)).toEqual(vm)
  }
})
