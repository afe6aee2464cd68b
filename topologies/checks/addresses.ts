import { formatMac, parseMac } from '../../protocols/address.ts'
import { derivedMac } from '../defaults.ts'
import type { Attachment, TopologyDraft } from '../draft.ts'
import { attachmentsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { attempt } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { Address, Subnet } from '../subnets.ts'
import { formatAddress, holds, isLinkLocal, isReserved, isUnicast, parseAddress, parseSubnet } from '../subnets.ts'

/** By network, then by address: who has it. */
type Owners = Map<string, string>

/** Each MAC and IP address can be one vNIC's, is within its network, and is nobody else's there. */
export function checkAddresses(topology: TopologyDraft, report: Report): void {
  const subnets = soundSubnets(topology)
  const owners: Owners = new Map()
  for (const attachment of attachmentsOf(topology)) {
    checkMac(attachment, owners, report)
    for (const [index, text] of (attachment.part.addresses ?? []).entries()) {
      const at = `${attachment.at}${pointer('addresses', index)}`
      const address = text === undefined ? undefined : attempt(report, at, () => parseAddress(text))
      if (address === undefined) continue
      checkFits(address, attachment.network, subnets.get(attachment.network), at, report)
      checkFree('address', formatAddress(address), attachment, at, owners, report)
    }
  }
}

/** The subnets that can be read; the others are reported elsewhere. */
function soundSubnets({ networks = [] }: TopologyDraft): Map<string | undefined, Subnet[]> {
  const ignore = () => {}
  const parsed = networks.map(({ name, subnets = [] }): [string | undefined, Subnet[]] => [
    name,
    subnets.flatMap(({ cidr }) => (cidr === undefined ? [] : (attempt(ignore, '', () => parseSubnet(cidr)) ?? []))),
  ])
  return new Map(parsed)
}

function checkMac(attachment: Attachment, owners: Owners, report: Report): void {
  const { part, at } = attachment
  if (part.mac !== undefined) checkIndividual(part.mac, `${at}/mac`, report)
  const mac = macOf(attachment)
  if (mac === undefined) return
  const place = part.mac === undefined ? at : `${at}/mac`
  checkFree('MAC address', mac, attachment, place, owners, report)
}

/** That which it is to have, canonical text; undefined where a name is missing. */
export function macOf({ placed, part }: Attachment): string | undefined {
  const mac = part.mac ?? placed.nic.mac ?? (placed.id === undefined ? undefined : derivedMac(placed.id))
  return mac === undefined ? undefined : formatMac(parseMac(mac))
}

const GROUP_BIT = 1n << 40n

export function checkIndividual(text: string, at: string, report: Report): void {
  const mac = parseMac(text)
  if (mac === 0n || (mac & GROUP_BIT) !== 0n)
    report(at, `${text} is no address of a single station`, 'neither zero nor multicast: an even first octet')
}

function checkFits(
  address: Address,
  network: string | undefined,
  subnets: readonly Subnet[] | undefined,
  at: string,
  report: Report,
): void {
  const text = formatAddress(address)
  if (!isUnicast(address)) return report(at, `${text} is no address of a single station`, 'a unicast address')
  if (subnets === undefined || subnets.length === 0 || isLinkLocal(address)) return
  const subnet = subnets.find((one) => holds(one, address))
  if (subnet === undefined)
    report(at, `${text} is outside ${network}`, `an address in ${subnets.map(({ cidr }) => cidr).join(' or ')}`)
  else if (isReserved(subnet, address))
    report(at, `${text} is the subnet's own or broadcast address`, `another in ${subnet.cidr}`)
}

function checkFree(
  kind: string,
  value: string,
  { network, placed }: Attachment,
  at: string,
  owners: Owners,
  report: Report,
): void {
  if (network === undefined) return
  const owner = owners.get(`${network} ${value}`)
  if (owner !== undefined)
    report(at, `${kind} ${value} is already ${owner}'s in ${network}`, `${article(kind)} ${kind} of its own`)
  else owners.set(`${network} ${value}`, placed.id ?? 'another vNIC')
}

const article = (noun: string) => (noun.startsWith('a') ? 'an' : 'a')
