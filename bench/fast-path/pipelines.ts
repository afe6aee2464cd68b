// The pipelines that are measured, each with its traffic: told to both switches in the same words.

import type { Random } from '../../runtime/random.ts'
import { allowSome, exactRules, hitAcl, missedAcl } from './rules.ts'
import type { TrafficOptions, Tuple } from './traffic.ts'

export interface Pipeline {
  name: string
  traffic: TrafficOptions
  /** As `ovs-ofctl add-flows` reads them. Frames come in at port 1 and leave by port 2; port 10 is a VXLAN tunnel. */
  flows: () => string[]
  /** Both ports are in VLAN 100, and it is known who is behind the second. */
  learned?: true
  /** Frames go into the tunnel, or come out of it. */
  tunnel?: 'in' | 'out'
  /** A turn begins with empty caches and takes in every flow for the first time. */
  filling?: true
  /** Seconds that the peer gets at most to fill its caches before it is measured. */
  settling?: number
}

/** Somebody sends frames that are made to cost much, no two alike, beside the traffic. */
export interface Attack extends Pipeline {
  frame: (random: Random) => Tuple
}

export const ACCESS_VLAN = 100
const PUSH = 'in_port=1,actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:2'
const POP = `in_port=1,dl_vlan=${ACCESS_VLAN},actions=pop_vlan,output:2`
const THOUSAND = { tuples: 1000 }
const MANY = { tuples: 100_000 }

export const PIPELINES: readonly Pipeline[] = [
  { name: 'in_port -> output, 1 flow', traffic: { tuples: 1 }, flows: () => ['in_port=1,actions=output:2'] },
  { name: 'in_port -> output, 100 k 5-tuples', traffic: MANY, flows: () => ['in_port=1,actions=output:2'] },
  {
    name: 'NORMAL, VLAN access -> access, learned, 1 k flows',
    traffic: THOUSAND,
    flows: () => ['actions=NORMAL'],
    learned: true,
  },
  { name: 'push VLAN, 1 flow', traffic: { tuples: 1 }, flows: () => [PUSH] },
  { name: 'push VLAN, 1 k flows', traffic: THOUSAND, flows: () => [PUSH] },
  { name: 'pop VLAN, 1 flow', traffic: { tuples: 1, vlan: ACCESS_VLAN }, flows: () => [POP] },
  { name: 'pop VLAN, 1 k flows', traffic: { tuples: 1000, vlan: ACCESS_VLAN }, flows: () => [POP] },
  { name: '1,000 ACL rules not hit, 1 k flows', traffic: THOUSAND, flows: () => missedAcl(1000) },
  { name: '1,000 ACL rules not hit, 100 k flows', traffic: MANY, flows: () => missedAcl(1000) },
  { name: '1,000 overlapping ACL rules hit, 1 k flows', traffic: THOUSAND, flows: () => hitAcl(1000) },
  {
    name: '1,000 overlapping ACL rules hit, 100 k flows, while caches fill',
    traffic: MANY,
    flows: () => hitAcl(1000),
    filling: true,
  },
  {
    name: '1,000 overlapping ACL rules hit, 100 k flows',
    traffic: MANY,
    flows: () => hitAcl(1000),
    settling: 90,
  },
  { name: '100,000 exact 5-tuple rules, 100 k flows', traffic: MANY, flows: () => exactRules(100_000), settling: 30 },
  {
    name: 'VXLAN encapsulation, 1 k flows',
    traffic: THOUSAND,
    flows: () => ['in_port=1,actions=output:10'],
    tunnel: 'in',
  },
  {
    name: 'VXLAN decapsulation, 1 k flows',
    traffic: { ...THOUSAND, tunnelled: true },
    flows: () => ['in_port=10,actions=output:2'],
    tunnel: 'out',
  },
]

export const ATTACKS: readonly Attack[] = [
  {
    // Csikor et al., "Tuple Space Explosion", CoNEXT 2019: random headers, and as many masks as there are ways not to match.
    name: 'tuple-space explosion',
    traffic: THOUSAND,
    flows: allowSome,
    frame: (random) => ({
      ipSrc: random.below(2 ** 32),
      ipDst: random.below(2 ** 32),
      srcPort: random.below(2 ** 16),
      dstPort: random.below(2 ** 16),
    }),
  },
  {
    name: 'a flood of new flows',
    traffic: THOUSAND,
    flows: () => hitAcl(1000),
    frame: (random) => ({
      ipSrc: 0x0a010000 + random.below(2 ** 16),
      ipDst: 0x0a020000 + random.below(2 ** 16),
      srcPort: random.below(2 ** 16),
      dstPort: 1 + random.below(200),
    }),
  },
]

export function attackOf(pipeline: Pipeline): Attack {
  const attack = ATTACKS.find(({ name }) => name === pipeline.name)
  if (attack === undefined) throw new RangeError(`nobody attacks '${pipeline.name}'`)
  return attack
}

export function pipelineNamed(name: string): Pipeline {
  const pipeline = [...PIPELINES, ...ATTACKS].find((candidate) => candidate.name === name)
  if (pipeline === undefined) throw new RangeError(`there is no pipeline '${name}'`)
  return pipeline
}
