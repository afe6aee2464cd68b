import type { Draft, TopologyDraft } from '../draft.ts'
import type { Report } from '../findings.ts'
import { attempt } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenNetwork } from '../schema/topology.ts'
import type { Subnet } from '../subnets.ts'
import { overlap, parseSubnet } from '../subnets.ts'

const LARGEST_VLAN = 4094

/** Networks are told apart on the wire, and their subnets are. */
export function checkNetworks({ networks = [] }: TopologyDraft, report: Report): void {
  const owners = new Map<string, string>()
  for (const [index, network] of networks.entries()) {
    const at = pointer('networks', index)
    if (isSegmentSound(network, at, report)) checkSegmentFree(network, at, owners, report)
    checkSubnets(network, at, report)
  }
}

function isSegmentSound({ type, segment }: Draft<WrittenNetwork>, at: string, report: Report): boolean {
  if (type === undefined) return false
  if (type === 'flat') {
    if (segment !== undefined) report(`${at}/segment`, 'a flat network is untagged', 'no segment')
    return true
  }
  if (segment === undefined) report(at, `a ${type} network without a segment`, "a key 'segment'")
  const tooLarge = type === 'vlan' && segment !== undefined && segment > LARGEST_VLAN
  if (tooLarge) report(`${at}/segment`, `${segment} is not a VLAN id`, `1 to ${LARGEST_VLAN}`)
  return segment !== undefined && !tooLarge
}

function checkSegmentFree(
  { name, type, segment }: Draft<WrittenNetwork>,
  at: string,
  owners: Map<string, string>,
  report: Report,
): void {
  const key = `${type} ${segment ?? ''}`
  const owner = owners.get(key)
  if (owner === undefined) owners.set(key, name ?? '')
  else if (type === 'flat')
    report(`${at}/type`, `'${owner}' is flat already: both would be one on the wire`, 'one flat network')
  else report(`${at}/segment`, `${type} segment ${segment} is already that of '${owner}'`, 'a segment of its own')
}

function checkSubnets({ subnets = [] }: Draft<WrittenNetwork>, at: string, report: Report): void {
  const sound: Subnet[] = []
  for (const [index, { cidr }] of subnets.entries()) {
    if (cidr === undefined) continue
    const place = `${at}${pointer('subnets', index, 'cidr')}`
    const subnet = attempt(report, place, () => parseSubnet(cidr))
    if (subnet === undefined) continue
    const rival = sound.find((other) => overlap(subnet, other))
    if (rival !== undefined) report(place, `${cidr} overlaps ${rival.cidr}`, 'subnets apart from each other')
    sound.push(subnet)
  }
}
