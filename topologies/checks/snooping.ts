import { DEFAULT_QUERIER, DEFAULT_SNOOPING } from '../defaults.ts'
import type { Draft, TopologyDraft } from '../draft.ts'
import type { Report } from '../findings.ts'
import { attempt } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenQuerier } from '../schema/snooping.ts'
import { defaultInterval, LONGEST_INTERVAL, SHORTEST_INTERVAL } from '../snooping.ts'
import { isLinkLocal, isUnicast, parseAddress } from '../subnets.ts'
import { formatDuration, parseDuration } from '../units.ts'
import { checkIndividual } from './addresses.ts'

/** As its field in a query says it. */
const RESPONSE = { least: 1_000_000_000, most: 10_000_000_000 }

/** Queriers ask from where they may, and often enough. */
export function checkSnooping({ networks = [] }: TopologyDraft, report: Report): void {
  for (const [index, { igmpSnooping }] of networks.entries()) {
    if (typeof igmpSnooping !== 'object') continue
    const { querier, agingTime } = igmpSnooping
    if (querier === undefined || querier === false) continue
    const aging = agingTime === undefined ? DEFAULT_SNOOPING.agingTime : parseDuration(agingTime)
    const at = pointer('networks', index, 'igmpSnooping', 'querier')
    checkTimes(querier === true ? {} : querier, aging, at, report)
    if (querier !== true) checkSources(querier, at, report)
  }
}

type Settings = Draft<Exclude<WrittenQuerier, boolean>>

function checkTimes({ interval, maxResponse }: Settings, aging: number, at: string, report: Report): void {
  const response = maxResponse === undefined ? DEFAULT_QUERIER.maxResponse : parseDuration(maxResponse)
  if (response < RESPONSE.least || response > RESPONSE.most)
    report(`${at}/maxResponse`, `listeners are to answer in ${formatDuration(response)}`, '1s to 10s')
  const span = interval === undefined ? defaultInterval(aging) : parseDuration(interval)
  const place = interval === undefined ? at : `${at}/interval`
  if (span < SHORTEST_INTERVAL || span > LONGEST_INTERVAL)
    report(place, `a query every ${formatDuration(span)}`, '1s to 1h')
  else if (response > span)
    report(
      `${at}/maxResponse`,
      `listeners have longer to answer than ${formatDuration(span)}`,
      'less than the interval',
    )
  else if (span + response > aging)
    report(
      place,
      `listeners are forgotten after ${formatDuration(aging)}, before they answer again`,
      'a shorter interval',
    )
}

function checkSources({ mac, ipv4, ipv6 }: Settings, at: string, report: Report): void {
  if (mac !== undefined) checkIndividual(mac, `${at}/mac`, report)
  const address = ipv4 === undefined ? undefined : attempt(report, `${at}/ipv4`, () => parseAddress(ipv4))
  const isZero = address?.version === 4 && address.value === 0n
  if (address !== undefined && (address.version !== 4 || !(isZero || isUnicast(address))))
    report(`${at}/ipv4`, `queries can not come from ${ipv4}`, 'an IPv4 address of one station, or 0.0.0.0')
  const linkLocal = ipv6 === undefined ? undefined : attempt(report, `${at}/ipv6`, () => parseAddress(ipv6))
  if (linkLocal !== undefined && !isLinkLocal(linkLocal))
    report(`${at}/ipv6`, `queries can not come from ${ipv6}`, 'a link-local IPv6 address (RFC 3810 §5.1.14)')
}
