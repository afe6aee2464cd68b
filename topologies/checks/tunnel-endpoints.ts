import type { TopologyDraft } from '../draft.ts'
import { attachmentsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { attempt } from '../findings.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import { pointer } from '../problems.ts'
import { isUnicast } from '../subnets.ts'

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3). */
const LOOPBACK = 127

/** Hosts with a vNIC of a vxlan network have an address for the tunnel, each its own. */
export function checkTunnelEndpoints(topology: TopologyDraft, report: Report): void {
  const needed = hostsWithOverlay(topology)
  const owners = new Map<string, string>()
  for (const [index, { name, vtep }] of (topology.hosts ?? []).entries()) {
    const at = pointer('hosts', index)
    if (vtep !== undefined) checkEndpoint(vtep, name ?? '', `${at}/vtep`, owners, report)
    else if (name !== undefined && needed.has(name))
      report(at, `${needed.get(name)} is in a vxlan network, and ${name} has no tunnel endpoint`, "a key 'vtep'")
  }
}

/** By host, a vNIC that makes it need one. */
function hostsWithOverlay(topology: TopologyDraft): Map<string, string> {
  const overlays = new Set(
    (topology.networks ?? []).flatMap(({ name, type }) => (type === 'vxlan' && name ? name : [])),
  )
  const needed = new Map<string, string>()
  for (const { network, placed } of attachmentsOf(topology))
    if (network !== undefined && overlays.has(network) && placed.vm.host !== undefined)
      needed.set(placed.vm.host, placed.id ?? 'a vNIC')
  return needed
}

function checkEndpoint(vtep: string, host: string, at: string, owners: Map<string, string>, report: Report): void {
  const value = attempt(report, at, () => parseIpv4(vtep))
  if (value === undefined) return
  // Hosts may be processes of one machine, each at a loopback address of its own.
  if (!isUnicast({ version: 4, value: BigInt(value) }) && value >>> 24 !== LOOPBACK)
    report(at, `${vtep} is no address of a single host`, 'a unicast address')
  const owner = owners.get(vtep)
  if (owner !== undefined) report(at, `${vtep} is already the tunnel endpoint of ${owner}`, 'an address of its own')
  else owners.set(vtep, host)
}
