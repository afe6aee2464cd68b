import { formatMac, parseMac } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { ETHERTYPE, protocolNumber } from '../defaults.ts'
import type { Draft, TopologyDraft } from '../draft.ts'
import { nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { attempt, checkKnown, within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenRule } from '../schema/security-groups.ts'
import type { WrittenPolicy } from '../schema/topology.ts'
import { formatPrefix, isUnicast, parsePrefix } from '../subnets.ts'
import { checkIndividual } from './addresses.ts'
import { namesOf } from './names.ts'

type Rule = Draft<WrittenRule>

/** Rules make sense, and rules and vNICs refer to groups and addresses that are there. */
export function checkSecurityGroups(topology: TopologyDraft, report: Report): void {
  const { addressGroups = [], securityGroups = [] } = topology
  for (const [index, { addresses = [] }] of addressGroups.entries())
    checkPrefixes(addresses, within(pointer('addressGroups', index, 'addresses'), report))
  const groups = { remoteGroup: namesOf(securityGroups), remoteAddressGroup: namesOf(addressGroups) }
  for (const [index, { rules = [] }] of securityGroups.entries())
    checkRules(rules, groups, within(pointer('securityGroups', index, 'rules'), report))
  for (const { nic, at } of nicsOf(topology))
    checkPolicy(nic.policy ?? {}, groups.remoteGroup, within(`${at}/policy`, report))
}

function checkPrefixes(texts: readonly (string | undefined)[], report: Report): void {
  const seen = new Set<string>()
  for (const [index, text] of texts.entries()) {
    const prefix = text === undefined ? undefined : attempt(report, pointer(index), () => parsePrefix(text))
    if (prefix === undefined) continue
    const canonical = formatPrefix(prefix)
    if (seen.has(canonical)) report(pointer(index), `${text} is in this group already`, 'no address twice')
    seen.add(canonical)
  }
}

interface Groups {
  remoteGroup: ReadonlySet<string>
  remoteAddressGroup: ReadonlySet<string>
}

function checkRules(rules: readonly Rule[], groups: Groups, report: Report): void {
  const seen = new Map<string, number>()
  for (const [index, rule] of rules.entries()) {
    const here = within(pointer(index), report)
    checkProtocol(rule, here)
    checkPorts(rule, here)
    checkIcmp(rule, here)
    checkRemote(rule, groups, here)
    const text = sameText(rule)
    const before = seen.get(text)
    if (before === undefined) seen.set(text, index)
    else here('', `says the same as rule ${before} of this group`, 'no rule twice')
  }
}

/** Equal for rules that say the same. */
function sameText({ ethertype = ETHERTYPE, portRangeMin, portRangeMax = portRangeMin, ...rule }: Rule): string {
  const { direction, protocol, icmpType, icmpCode, remoteIpPrefix, remoteGroup, remoteAddressGroup } = rule
  const number = protocol === undefined ? undefined : protocolNumber(protocol)
  const prefix = remoteIpPrefix === undefined ? undefined : attempt(ignore, '', () => parsePrefix(remoteIpPrefix))
  const remote = [prefix === undefined ? remoteIpPrefix : formatPrefix(prefix), remoteGroup, remoteAddressGroup]
  return JSON.stringify([direction, ethertype, number, portRangeMin, portRangeMax, icmpType, icmpCode, ...remote])
}

const ignore = () => {}

const FAMILIES: Readonly<Record<string, string>> = { icmp: 'IPv4', icmpv6: 'IPv6' }

function checkProtocol({ ethertype = ETHERTYPE, protocol }: Rule, report: Report): void {
  const family = FAMILIES[String(protocol)]
  if (family === undefined || family === ethertype) return
  const other = protocol === 'icmp' ? 'icmpv6' : 'icmp'
  report('/protocol', `${protocol} over ${ethertype}`, `${other}, or ethertype ${family}`)
}

const WITH_PORTS: readonly number[] = [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp]

function checkPorts({ protocol, portRangeMin, portRangeMax }: Rule, report: Report): void {
  const key = portRangeMin === undefined ? 'portRangeMax' : 'portRangeMin'
  if (portRangeMin === undefined && portRangeMax === undefined) return
  if (protocol === undefined || !WITH_PORTS.includes(protocolNumber(protocol)))
    report(`/${key}`, `ports of ${protocol ?? 'any protocol'}`, 'protocol tcp, udp or sctp')
  if (portRangeMin === undefined) report('', 'a last port without a first', "a key 'portRangeMin'")
  else if (portRangeMax !== undefined && portRangeMax < portRangeMin)
    report('/portRangeMax', `${portRangeMax} is below portRangeMin`, `${portRangeMin} or more`)
}

function checkIcmp({ ethertype = ETHERTYPE, protocol, icmpType, icmpCode }: Rule, report: Report): void {
  const key = icmpType === undefined ? 'icmpCode' : 'icmpType'
  if (icmpType === undefined && icmpCode === undefined) return
  const number = ethertype === 'IPv4' ? IpProtocol.Icmp : IpProtocol.Icmpv6
  const wanted = ethertype === 'IPv4' ? 'icmp' : 'icmpv6'
  if (protocol === undefined || protocolNumber(protocol) !== number)
    report(`/${key}`, `${key} with ${protocol ?? 'any protocol'} over ${ethertype}`, `protocol ${wanted}`)
  if (icmpType === undefined) report('', 'an icmpCode of any type', "a key 'icmpType'")
}

const REMOTES = ['remoteIpPrefix', 'remoteGroup', 'remoteAddressGroup'] as const

function checkRemote(rule: Rule, groups: Groups, report: Report): void {
  const given = REMOTES.filter((key) => rule[key] !== undefined)
  if (given.length > 1) report('', `has ${given.join(' and ')}`, `at most one of ${REMOTES.join(', ')}`)
  checkKnown(report, '/remoteGroup', 'security group', rule.remoteGroup, groups.remoteGroup)
  checkKnown(report, '/remoteAddressGroup', 'address group', rule.remoteAddressGroup, groups.remoteAddressGroup)
  const { ethertype = ETHERTYPE, remoteIpPrefix: text } = rule
  const prefix = text === undefined ? undefined : attempt(report, '/remoteIpPrefix', () => parsePrefix(text))
  if (prefix !== undefined && `IPv${prefix.version}` !== ethertype)
    report(
      '/remoteIpPrefix',
      `${text} is no ${ethertype} prefix`,
      `an ${ethertype} one, or ethertype IPv${prefix.version}`,
    )
}

function checkPolicy(policy: Draft<WrittenPolicy>, groups: ReadonlySet<string>, report: Report): void {
  const { securityGroups, deny, portSecurity, allowedAddressPairs = [] } = policy
  for (const [index, name] of (securityGroups ?? []).entries())
    checkKnown(report, pointer('securityGroups', index), 'security group', name, groups)
  if (deny !== undefined && securityGroups === undefined)
    report('/deny', 'nothing is denied without security groups', "a key 'securityGroups' beside it")
  if (allowedAddressPairs.length > 0 && portSecurity === false)
    report('/allowedAddressPairs', 'every address is allowed without port security', 'portSecurity, or no pairs')
  checkPairs(allowedAddressPairs, within('/allowedAddressPairs', report))
}

function checkPairs(pairs: NonNullable<Draft<WrittenPolicy>['allowedAddressPairs']>, report: Report): void {
  const seen = new Set<string>()
  for (const [index, { address, mac }] of pairs.entries()) {
    const prefix =
      address === undefined ? undefined : attempt(report, pointer(index, 'address'), () => parsePrefix(address))
    if (mac !== undefined) checkIndividual(mac, pointer(index, 'mac'), report)
    if (prefix === undefined) continue
    const single = prefix.first === prefix.last
    if (single && !isUnicast({ version: prefix.version, value: prefix.first }))
      report(pointer(index, 'address'), `${address} is no address of a single station`, 'a unicast address or a prefix')
    const text = `${formatPrefix(prefix)} ${mac === undefined ? '' : formatMac(parseMac(mac))}`
    if (seen.has(text)) report(pointer(index), `${address} is allowed already`, 'no pair twice')
    seen.add(text)
  }
}
