// The ways in which a vNIC is on networks: untagged, and as the sub-ports of a trunk.

import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import type { Nic } from '../../topologies/topology.ts'
import { once } from '../../runtime/once.ts'

export interface Attachment {
  readonly nic: Nic
  readonly network: string
  /** Place among the attachments of its vNIC. */
  readonly index: number
  readonly mac: bigint
  readonly ipv4: readonly bigint[]
  readonly ipv6: readonly bigint[]
  /** The guest's tags that mean this network; 0 for no tag. `any`: all frames, whatever they wear. */
  readonly accepts: readonly number[] | 'any'
  /** The tag that frames to the guest wear; 0 for none. */
  readonly wears: number
}

export const attachmentsOf = once((nic: Nic): readonly Attachment[] => {
  const attachments: Attachment[] = []
  const attach = (
    network: string,
    from: { mac: string; addresses: readonly string[] },
    tags: Pick<Attachment, 'accepts' | 'wears'>,
  ) =>
    attachments.push({
      nic,
      network,
      index: attachments.length,
      mac: parseMac(from.mac),
      ipv4: from.addresses.filter(isIpv4).map((address) => BigInt(parseIpv4(address))),
      ipv6: from.addresses.filter((address) => !isIpv4(address)).map((address) => parseIpv6(address)),
      ...tags,
    })
  if (nic.network !== undefined) attach(nic.network, nic, nativeTags(nic))
  if (nic.vlanMode !== 'access' && nic.vlanMode !== 'dot1q-tunnel')
    for (const subport of nic.trunks) attach(subport.network, subport, { accepts: [subport.tag], wears: subport.tag })
  return attachments
})

const isIpv4 = (address: string) => !address.includes(':')

function nativeTags({ vlanMode, tag = 0 }: Nic): Pick<Attachment, 'accepts' | 'wears'> {
  if (vlanMode === 'dot1q-tunnel') return { accepts: 'any', wears: 0 }
  if (vlanMode === 'native-tagged' && tag !== 0) return { accepts: [0, tag], wears: tag }
  if (vlanMode === 'native-untagged' && tag !== 0) return { accepts: [0, tag], wears: 0 }
  return { accepts: [0], wears: 0 }
}
