// Quality of service with every default filled in, and the way back. Rates in bits a second, bursts in bits.

import type { QueueConfig } from '../protocols/control/messages.ts'
import { defaultBurst } from './defaults.ts'
import type { WrittenNetworkQos, WrittenQueue, WrittenUplink } from './schema/qos.ts'
import type { WrittenPolicy } from './schema/topology.ts'
import type { Fabric, Host, NetworkQos, QosPolicy, Queue, Uplink } from './topology.ts'
import { formatRate, formatSize, parseRate, parseSize } from './units.ts'
import { once } from '../runtime/once.ts'

const QUEUE_LIMIT = 1000
const WAYS = ['ingress', 'egress'] as const

export function completeNetworkQos(written: WrittenNetworkQos): NetworkQos {
  const qos: NetworkQos = {}
  for (const way of WAYS) {
    const limit = completeLimit(written[`${way}Rate`], written[`${way}Burst`])
    if (limit === undefined) continue
    qos[`${way}Rate`] = limit.rate
    qos[`${way}Burst`] = limit.burst
  }
  if (written.ingressMinimum !== undefined) qos.ingressMinimum = parseRate(written.ingressMinimum)
  return qos
}

export const completeQosPolicy = (written: WrittenPolicy): QosPolicy => ({
  ...completeNetworkQos(written),
  ...(written.egressMinimum !== undefined && { egressMinimum: parseRate(written.egressMinimum) }),
  ...(written.dscp !== undefined && { dscp: written.dscp }),
  ...(written.trustDscp !== undefined && { trustDscp: written.trustDscp }),
})

export const completeUplink = ({ rate, queues = [] }: WrittenUplink): Uplink => ({
  ...(rate !== undefined && { rate: parseRate(rate) }),
  queues: queues.map(completeQueue),
})

export function completeQueue({ dscp = [], strict, weight, minimum, rate, burst, limit }: WrittenQueue): Queue {
  const most = completeLimit(rate, burst)
  return {
    dscps: [...dscp],
    strict: strict ?? false,
    weight: weight ?? 1,
    ...(minimum !== undefined && { minimum: parseRate(minimum) }),
    ...(most && { rate: most.rate, burst: most.burst }),
    limit: limit ?? QUEUE_LIMIT,
  }
}

function completeLimit(writtenRate?: string, writtenBurst?: string): { rate: number; burst: number } | undefined {
  if (writtenRate === undefined) return undefined
  const rate = parseRate(writtenRate)
  return { rate, burst: writtenBurst === undefined ? defaultBurst(rate) : parseSize(writtenBurst) }
}

export function writeNetworkQos({
  ingressRate,
  ingressBurst,
  ingressMinimum,
  egressRate,
  egressBurst,
}: NetworkQos): WrittenNetworkQos {
  return {
    ...(ingressRate !== undefined && { ingressRate: formatRate(ingressRate) }),
    ...(ingressBurst !== undefined && { ingressBurst: formatSize(ingressBurst) }),
    ...(ingressMinimum !== undefined && { ingressMinimum: formatRate(ingressMinimum) }),
    ...(egressRate !== undefined && { egressRate: formatRate(egressRate) }),
    ...(egressBurst !== undefined && { egressBurst: formatSize(egressBurst) }),
  }
}

export const writeQosPolicy = (policy: QosPolicy): Partial<WrittenPolicy> => ({
  ...writeNetworkQos(policy),
  ...(policy.egressMinimum !== undefined && { egressMinimum: formatRate(policy.egressMinimum) }),
  ...(policy.dscp !== undefined && { dscp: policy.dscp }),
  ...(policy.trustDscp !== undefined && { trustDscp: policy.trustDscp }),
})

export const writeUplink = ({ rate, queues }: Uplink): WrittenUplink => ({
  ...(rate !== undefined && { rate: formatRate(rate) }),
  ...(queues.length > 0 && { queues: queues.map(writeQueue) }),
})

export const writeQueue = ({ dscps, strict, weight, minimum, rate, burst, limit }: Queue): WrittenQueue => ({
  ...(dscps.length > 0 && { dscp: [...dscps] }),
  strict,
  weight,
  ...(minimum !== undefined && { minimum: formatRate(minimum) }),
  ...(rate !== undefined && { rate: formatRate(rate) }),
  ...(burst !== undefined && { burst: formatSize(burst) }),
  limit,
})

/**
 * The same for those who serve queues. Queue 0 takes what no other names; the others are numbered from `first`. Strict ones have
 * priorities by their places, all others the one after these.
 */
export function queueConfigs(queues: readonly Queue[], first = 1): QueueConfig[] {
  const rest = queues.some(({ dscps }) => dscps.length === 0) ? [] : [REST]
  return [...queues, ...rest].map(({ dscps, strict, weight, minimum, rate, burst, limit }, index) => ({
    queue: dscps.length === 0 ? 0 : first + index,
    priority: strict ? index : queues.length,
    weight,
    limit,
    ...(dscps.length > 0 && { dscps: [...dscps] }),
    ...(minimum !== undefined && { minRate: minimum }),
    ...(rate !== undefined && { maxRate: rate }),
    ...(burst !== undefined && { burst }),
  }))
}

const REST: Queue = { dscps: [], strict: false, weight: 1, limit: QUEUE_LIMIT }

/** What the host sends to others at most, where that is known: what is said of its uplink, or the bandwidth of its only link. */
export const uplinkRate = ({ name, uplink }: Host, fabric: Fabric): number | undefined =>
  uplink?.rate ?? knownOf(fabric).bandwidths.get(name)

/** Whether anybody between the host and others goes by the DSCP of what it sends. */
export const showsDscp = ({ uplink }: Host, fabric: Fabric): boolean =>
  (uplink !== undefined && uplink.queues.length > 0) || knownOf(fabric).hasQueues

interface FabricRates {
  /** By its only link. */
  bandwidths: Map<string, number | undefined>
  hasQueues: boolean
}

const knownOf = once((fabric: Fabric): FabricRates => {
  const bandwidths = new Map<string, number | undefined>()
  for (const { endpoints, bandwidth } of fabric.links)
    for (const end of endpoints) bandwidths.set(end, bandwidths.has(end) ? undefined : bandwidth)
  return { bandwidths, hasQueues: fabric.links.some(({ queues }) => queues !== undefined) }
})
