// Rule sets for the classifier: read from a file of ClassBench's format, or made by chance after what its seed files have.
//
// D. Taylor and J. Turner, "ClassBench: A Packet Classification Benchmark", INFOCOM 2005. Shares of protocols, of kinds of port
// range (any, the high ones, one, some) and of pairs of prefix lengths are those that the published sets acl1 and fw1 show; ipc,
// of which there is none at hand, is a mixture, as the paper has it. Priorities fall from the first rule to the last. A range of
// ports becomes as many flows as it has prefixes: the sets are counted in flows.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { FlowKey } from '../datapath/flow-key.ts'
import type { Flow } from '../datapath/flow.ts'
import { makeFlow } from '../datapath/flow.ts'
import { Word } from '../protocols/fields.ts'
import { EtherType, type FieldMatch } from '../protocols/match.ts'
import { seeded, type Random } from '../runtime/random.ts'

type Range = readonly [low: number, high: number]
interface Prefix {
  address: number
  length: number
}
interface Rule {
  source: Prefix
  destination: Prefix
  sourcePorts: Range
  destinationPorts: Range
  /** Absent: any. */
  protocol?: number
}

export interface RuleSet {
  name: string
  flows: Flow[]
  /** Headers that meet rules, each of a rule drawn evenly: as many numbers each as HEADER has. */
  headers: Uint32Array
}

/** The words of a header, in the order in which `headers` has them. */
const HEADER = [
  Word.etherType,
  Word.protocol,
  Word.ipv4Source,
  Word.ipv4Destination,
  Word.transportSource,
  Word.transportDestination,
]

export function setHeader(key: FlowKey, { headers }: RuleSet, index: number): void {
  for (let at = 0; at < HEADER.length; at++) key[HEADER[at]!] = headers[index * HEADER.length + at]!
}

export type Kind = keyof typeof KINDS

/** A set of `count` flows, and `headers` headers. */
export function generateRules(kind: Kind, count: number, headers: number): RuleSet {
  const random = seeded(1).fork(`${kind} ${count}`)
  const regions = Array.from({ length: 16 }, () => random.uint32() & 0xff000000)
  const rules: Rule[] = []
  const known = new Set<string>()
  for (let flows = 0; flows < count;) {
    const rule = randomRule(random, kind, regions)
    const text = JSON.stringify(rule)
    if (known.has(text)) continue
    known.add(text)
    rules.push(rule)
    flows += prefixesOf(rule.sourcePorts).length * prefixesOf(rule.destinationPorts).length
  }
  return ruleSet(kind, rules, headers)
}

/** @throws Error no such file, or a line of it that is no rule. */
export function readRules(path: string, headers: number): RuleSet {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1')
  const name = path.replace(/^.*\//, '').replace(/\..*$/, '')
  return ruleSet(name, text.trim().split('\n').map(parseRule), headers)
}

/** `@10.0.0.0/8 10.1.0.0/16 0 : 65535 80 : 80 0x06/0xFF` */
function parseRule(line: string): Rule {
  const parts = line.trim().split(/[@/:\s]+/)
  if (parts.length < 11) throw new Error(`not a rule: ${line}`)
  const [, source, sourceLength, destination, destinationLength, ...rest] = parts
  const [fromSource, toSource, fromDestination, toDestination, protocol, mask] = rest.map(Number)
  return {
    source: { address: addressOf(source!), length: Number(sourceLength) },
    destination: { address: addressOf(destination!), length: Number(destinationLength) },
    sourcePorts: [fromSource!, toSource!],
    destinationPorts: [fromDestination!, toDestination!],
    ...(mask !== 0 && { protocol }),
  }
}

const addressOf = (text: string) => text.split('.').reduce((address, octet) => address * 256 + Number(octet), 0)

function ruleSet(name: string, rules: Rule[], headers: number): RuleSet {
  const flows = rules.flatMap((rule, index) => flowsOf(rule, 65535 - Math.floor((index * 65535) / rules.length)))
  return { name: `${name}, ${flows.length.toLocaleString('en-US')} flows`, flows, headers: headersOf(rules, headers) }
}

function headersOf(rules: Rule[], count: number): Uint32Array {
  const random = seeded(2)
  const headers = new Uint32Array(count * HEADER.length)
  const within = ({ address, length }: Prefix) => (address & maskOf(length)) | (random.uint32() & ~maskOf(length))
  const from = ([low, high]: Range) => low + random.below(high - low + 1)
  for (let at = 0; at < headers.length; at += HEADER.length) {
    const { source, destination, sourcePorts, destinationPorts, protocol } = rules[random.below(rules.length)]!
    const header = [EtherType.Ipv4, protocol ?? [6, 17, 1][random.below(3)]!, within(source), within(destination)]
    headers.set([...header, from(sourcePorts), from(destinationPorts)], at)
  }
  return headers
}

const maskOf = (length: number) => (length === 0 ? 0 : -1 << (32 - length))

function flowsOf(rule: Rule, priority: number): Flow[] {
  const { source, destination, protocol } = rule
  const fixed: FieldMatch[] = [
    { field: 'eth_type', value: BigInt(EtherType.Ipv4) },
    ...masked('nw_src', source.address, maskOf(source.length)),
    ...masked('nw_dst', destination.address, maskOf(destination.length)),
    ...(protocol === undefined ? [] : [{ field: 'nw_proto', value: BigInt(protocol) } as const]),
  ]
  return prefixesOf(rule.sourcePorts).flatMap(([from, fromMask]) =>
    prefixesOf(rule.destinationPorts).map(([to, toMask]) =>
      makeFlow(
        {
          table: 0,
          priority,
          cookie: 0n,
          // The key's words for the ports are the same for every protocol.
          match: [...fixed, ...masked('tcp_src', from, fromMask), ...masked('tcp_dst', to, toMask)],
          instructions: { apply: [], clear: false, write: [] },
          idleTimeout: 0,
          hardTimeout: 0,
          flags: {},
        },
        0,
      ),
    ),
  )
}

function masked(field: FieldMatch['field'], value: number, mask: number): FieldMatch[] {
  if (mask === 0) return []
  return [{ field, value: BigInt((value & mask) >>> 0), mask: BigInt(mask >>> 0) }]
}

/** Values and masks that cover the ports of the range and no others. */
function prefixesOf([low, high]: Range): [value: number, mask: number][] {
  const prefixes: [number, number][] = []
  while (low <= high) {
    let size = low === 0 ? 0x10000 : low & -low
    while (low + size - 1 > high) size >>= 1
    prefixes.push([low, 0x10000 - size])
    low += size
  }
  return prefixes
}

// ---- by chance -------------------------------------------------------------------------------------------------------

type Share<T> = readonly [percent: number, value: T]
type Ports = 'any' | 'high' | 'one' | 'some'
type Lengths = 'exact' | 'site' | 'wild'

interface Shares {
  protocols: readonly Share<number | undefined>[]
  sourcePorts: readonly Share<Ports>[]
  destinationPorts: readonly Share<Ports>[]
  /** Source and destination. */
  prefixes: readonly Share<readonly [Lengths, Lengths]>[]
}

const TCP = 6
const UDP = 17
const ICMP = 1
const GRE = 47

// prettier-ignore
const KINDS = {
  acl: {
    protocols: [[87, TCP], [9, undefined], [3, ICMP], [1, UDP]],
    sourcePorts: [[100, 'any']],
    destinationPorts: [[31, 'any'], [62, 'one'], [7, 'some']],
    prefixes: [[76, ['exact', 'exact']], [12, ['exact', 'site']], [8, ['site', 'exact']], [4, ['site', 'site']]],
  },
  fw: {
    protocols: [[58, TCP], [32, UDP], [5, GRE], [4, ICMP], [1, undefined]],
    sourcePorts: [[77, 'any'], [8, 'high'], [15, 'one']],
    destinationPorts: [[29, 'any'], [8, 'high'], [60, 'one'], [3, 'some']],
    prefixes: [[68, ['wild', 'exact']], [18, ['exact', 'wild']], [6, ['exact', 'exact']], [6, ['wild', 'site']], [2, ['site', 'wild']]],
  },
  ipc: {
    protocols: [[55, TCP], [28, UDP], [7, ICMP], [10, undefined]],
    sourcePorts: [[84, 'any'], [4, 'high'], [10, 'one'], [2, 'some']],
    destinationPorts: [[40, 'any'], [6, 'high'], [48, 'one'], [6, 'some']],
    prefixes: [[48, ['exact', 'exact']], [14, ['exact', 'site']], [14, ['site', 'exact']], [10, ['site', 'site']], [8, ['wild', 'exact']], [6, ['exact', 'wild']]],
  },
} as const satisfies Record<string, Shares>

const SERVICES = [80, 53, 22, 25, 443, 123, 21, 1521, 161, 110, 23, 69, 88, 135, 1433, 389, 750, 1221]

function randomRule(random: Random, kind: Kind, regions: readonly number[]): Rule {
  const shares: Shares = KINDS[kind]
  const [source, destination] = draw(random, shares.prefixes)
  const protocol = draw(random, shares.protocols)
  const hasPorts = protocol === TCP || protocol === UDP
  return {
    source: randomPrefix(random, source, regions),
    destination: randomPrefix(random, destination, regions),
    sourcePorts: hasPorts ? randomPorts(random, draw(random, shares.sourcePorts)) : [0, 0xffff],
    destinationPorts: hasPorts ? randomPorts(random, draw(random, shares.destinationPorts)) : [0, 0xffff],
    ...(protocol !== undefined && { protocol }),
  }
}

function draw<T>(random: Random, shares: readonly Share<T>[]): T {
  let left = random.fraction() * 100
  for (const [percent, value] of shares) if ((left -= percent) < 0) return value
  return shares[0]![1]
}

function randomPorts(random: Random, ports: Ports): Range {
  if (ports === 'any') return [0, 0xffff]
  if (ports === 'high') return [1024, 0xffff]
  const low = random.fraction() < 0.7 ? SERVICES[skewed(random, SERVICES.length)]! : 1024 + random.below(8192)
  return ports === 'one' ? [low, low] : [low, Math.min(0xffff, low + random.below(64))]
}

/** Lengths of prefixes of more than some hosts, the most frequent first. */
const SITES = [24, 16, 22, 23, 28, 20]

/** Addresses lie in sites, and sites in regions, some much larger than others, as the branching of ClassBench's tries has it. */
function randomPrefix(random: Random, lengths: Lengths, regions: readonly number[]): Prefix {
  const region = regions[skewed(random, regions.length)]!
  const low = (skewed(random, 256) << 16) | (skewed(random, 256) << 8) | random.below(256)
  const wanted = lengths === 'exact' ? 32 - skewed(random, 4) : SITES[skewed(random, SITES.length)]!
  const length = lengths !== 'wild' ? wanted : random.fraction() < 0.6 ? 0 : 1 + skewed(random, 3)
  return { address: ((region | low) & maskOf(length)) >>> 0, length }
}

/** A whole number below `bound`, small ones more often. */
const skewed = (random: Random, bound: number) => Math.floor(random.fraction() ** 2 * bound)
