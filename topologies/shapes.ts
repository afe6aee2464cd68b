// Stock shapes, as Mininet names them: numbers in, topology out, by way of the written form.

import { InvalidField } from '../protocols/errors.ts'
import { formatIpv4, formatMac, parseIpv4 } from '../protocols/address.ts'
import { checkTopology } from './checks.ts'
import { completeTopology } from './complete.ts'
import type {
  WrittenFabric,
  WrittenLink,
  WrittenNetwork,
  WrittenShape,
  WrittenTopology,
  WrittenVm,
} from './schema/topology.ts'
import type { Topology } from './topology.ts'

export type ShapeOptions = Pick<WrittenShape, 'hostsPerLeaf' | 'vmsPerHost' | 'networks' | 'type' | 'link'>

/** Switches and links among them, and the switch of each host: h1 is on the first, h2 on the second. */
interface Skeleton {
  switches: string[]
  trunks: [string, string][]
  attachments: string[]
}

const MOST_HOSTS = 4096
const MOST_SWITCHES = 4096
const MOST_VMS = 65_000
const EXPECTED = "'single,N', 'linear,N', 'tree,D,F' or 'leaf-spine,S,L' with numbers from 1, as 'tree,2,2'"
const TUNNEL_ENDPOINTS = parseIpv4('172.16.0.0')
const GUESTS = parseIpv4('10.0.0.0')
const FIRST_MAC = 0x02_00_00_00_00_00n
const FIRST_VLAN = 100
const FIRST_VNI = 5000

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)

/** True for a text that means a stock shape, right or wrong, and no path. */
export const isShape = (text: string): boolean => /^(single|linear|tree|leaf-spine)(,|$)/.test(text)

/** The topology of a stock shape. @throws InvalidField no such shape, or too large. */
export function shapeTopology(shape: string, options: ShapeOptions = {}): Topology {
  const written = writeShape(shape, options)
  checkTopology(written, (_, problem, expected) => {
    throw new InvalidField('shape', problem, expected)
  })
  return completeTopology(written, shape)
}

/** The written form of a stock shape. @throws InvalidField */
export function writeShape(shape: string, options: ShapeOptions = {}): WrittenTopology {
  const { switches, trunks, attachments } = skeletonOf(shape, options.hostsPerLeaf)
  const hosts = numbered('h', attachments.length)
  const vmCount = hosts.length * (options.vmsPerHost ?? 1)
  if (vmCount > MOST_VMS) throw new InvalidField('vmsPerHost', `${vmCount} VMs are too many`, `at most ${MOST_VMS}`)
  const networks = writeNetworks(options.networks ?? 1, options.type ?? 'vlan')
  return {
    version: 1,
    name: shape,
    hosts: hosts.map((name, index) => ({ name, vtep: formatIpv4(TUNNEL_ENDPOINTS + index + 1) })),
    fabric: writeFabric(
      switches,
      [...hosts.map((host, index): [string, string] => [host, attachments[index]!]), ...trunks],
      options.link,
    ),
    networks,
    vms: writeVms(vmCount, hosts, networks),
  }
}

function skeletonOf(shape: string, hostsPerLeaf: number | undefined): Skeleton {
  const [name, ...numbers] = shape.split(',')
  const [first, second] = numbers.map((text) => (/^[1-9]\d{0,3}$/.test(text) ? Number(text) : NaN))
  const count = { single: 1, linear: 1, tree: 2, 'leaf-spine': 2 }[name!]
  const isSound = count === numbers.length && first !== undefined && !Number.isNaN(first + (second ?? 0))
  if (!isSound) throw new InvalidField('shape', `'${shape}' is no stock shape`, EXPECTED)
  const perLeaf = hostsPerLeaf ?? 1
  if (hostsPerLeaf !== undefined && (name === 'single' || name === 'tree'))
    throw new InvalidField('hostsPerLeaf', `${name} has its own number of hosts`, 'it with linear or leaf-spine alone')
  checkSize(name!, first, second ?? 1, perLeaf)
  if (name === 'single') return { switches: ['s1'], trunks: [], attachments: Array<string>(first).fill('s1') }
  if (name === 'linear') return linear(first, perLeaf)
  return name === 'tree' ? tree(first, second!) : leafSpine(first, second!, perLeaf)
}

function checkSize(name: string, first: number, second: number, perLeaf: number): void {
  const hosts = { single: first, linear: first * perLeaf, tree: second ** first, 'leaf-spine': second * perLeaf }[name]!
  const switches = {
    single: 1,
    linear: first,
    tree: second === 1 ? first : second ** (first - 1),
    'leaf-spine': first + second,
  }[name]!
  const isLarge =
    hosts > MOST_HOSTS || switches > MOST_SWITCHES || (name === 'leaf-spine' && first * second > MOST_SWITCHES * 4)
  if (isLarge)
    throw new InvalidField(
      'shape',
      `${name} of this size has too many hosts, switches or links`,
      `at most ${MOST_HOSTS} hosts`,
    )
}

/** A chain of switches. */
function linear(length: number, perSwitch: number): Skeleton {
  const switches = numbered('s', length)
  return {
    switches,
    trunks: switches.slice(1).map((name, index) => [switches[index]!, name]),
    attachments: switches.flatMap((name) => Array<string>(perSwitch).fill(name)),
  }
}

/** Switches in `depth` levels with `fanOut` children each, numbered as Mininet does, depth first; hosts are the leaves. */
function tree(depth: number, fanOut: number): Skeleton {
  const skeleton: Skeleton = { switches: [], trunks: [], attachments: [] }
  const grow = (level: number): string => {
    const name = `s${skeleton.switches.length + 1}`
    skeleton.switches.push(name)
    for (let child = 0; child < fanOut; child++)
      if (level === 1) skeleton.attachments.push(name)
      else skeleton.trunks.push([name, grow(level - 1)])
    return name
  }
  grow(depth)
  return skeleton
}

/** Every leaf is linked with every spine. */
function leafSpine(spineCount: number, leafCount: number, perLeaf: number): Skeleton {
  const spines = numbered('spine', spineCount)
  const leaves = numbered('leaf', leafCount)
  return {
    switches: [...spines, ...leaves],
    trunks: leaves.flatMap((leaf) => spines.map((spine): [string, string] => [leaf, spine])),
    attachments: leaves.flatMap((leaf) => Array<string>(perLeaf).fill(leaf)),
  }
}

const writeFabric = (
  switches: readonly string[],
  pairs: readonly [string, string][],
  link: Omit<WrittenLink, 'endpoints'> = {},
): WrittenFabric => ({
  switches: switches.map((name) => ({ name })),
  links: pairs.map((endpoints) => ({ endpoints, ...link })),
})

/** One network has all of 10.0.0.0/8; of several, each has a /16 of it. */
const writeNetworks = (count: number, type: WrittenNetwork['type']): WrittenNetwork[] =>
  numbered('net', count).map((name, index) => ({
    name,
    type,
    ...(type !== 'flat' && { segment: (type === 'vlan' ? FIRST_VLAN : FIRST_VNI) + index }),
    subnets: [{ cidr: count === 1 ? '10.0.0.0/8' : `10.${index}.0.0/16` }],
  }))

/** VMs fill one host after the other and take the networks in turn. */
function writeVms(count: number, hosts: readonly string[], networks: readonly WrittenNetwork[]): WrittenVm[] {
  const perHost = count / hosts.length
  return numbered('vm', count).map((name, index) => {
    const network = index % networks.length
    const address = GUESTS + network * 65_536 + Math.floor(index / networks.length) + 1
    const mac = formatMac(FIRST_MAC + BigInt(index + 1))
    const nic = { name: 'eth0', network: networks[network]!.name, mac, addresses: [formatIpv4(address)] }
    return { name, host: hosts[Math.floor(index / perHost)]!, nics: [nic] }
  })
}
