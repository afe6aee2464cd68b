// The settings of networks that snoop, from what is written and back.

import { formatMac, linkLocalOf, parseMac } from '../protocols/address.ts'
import { DEFAULT_QUERIER, DEFAULT_SNOOPING, derivedMac } from './defaults.ts'
import type { WrittenQuerier, WrittenSnooping } from './schema/snooping.ts'
import { formatAddress, parseAddress } from './subnets.ts'
import type { IgmpSnooping, Querier } from './topology.ts'
import { formatDuration, parseDuration } from './units.ts'

/** Undefined where the network of this name does not snoop. */
export function completeSnooping(written: WrittenSnooping = false, network: string): IgmpSnooping | undefined {
  if (written === false) return undefined
  const { agingTime, querier, ...settings } = written === true ? {} : written
  const snooping = {
    ...DEFAULT_SNOOPING,
    ...settings,
    ...(agingTime !== undefined && { agingTime: parseDuration(agingTime) }),
  }
  const asks = completeQuerier(querier, network, snooping.agingTime)
  return { ...snooping, ...(asks && { querier: asks }) }
}

function completeQuerier(written: WrittenQuerier = false, network: string, agingTime: number): Querier | undefined {
  if (written === false) return undefined
  const { version, mac, ipv4, ipv6, interval, maxResponse } = written === true ? {} : written
  const number = parseMac(mac ?? derivedMac(`querier of ${network}`))
  return {
    version: version ?? DEFAULT_QUERIER.version,
    mac: formatMac(number),
    ipv4: formatAddress(parseAddress(ipv4 ?? DEFAULT_QUERIER.ipv4)),
    ipv6: formatAddress(ipv6 === undefined ? { version: 6, value: linkLocalOf(number) } : parseAddress(ipv6)),
    interval: interval === undefined ? defaultInterval(agingTime) : parseDuration(interval),
    maxResponse: maxResponse === undefined ? DEFAULT_QUERIER.maxResponse : parseDuration(maxResponse),
  }
}

/** Each listener is asked twice before its time is over. */
export const defaultInterval = (agingTime: number): number => Math.min(Math.floor(agingTime / 2), LONGEST_INTERVAL)

export const [SHORTEST_INTERVAL, LONGEST_INTERVAL] = [1_000_000_000, 3_600_000_000_000]

export const writeSnooping = ({ agingTime, querier, ...settings }: IgmpSnooping): WrittenSnooping => ({
  ...settings,
  agingTime: formatDuration(agingTime),
  ...(querier && {
    querier: {
      ...querier,
      interval: formatDuration(querier.interval),
      maxResponse: formatDuration(querier.maxResponse),
    },
  }),
})
