import type { TopologyDraft } from '../draft.ts'
import type { Report } from '../findings.ts'
import { pointer } from '../problems.ts'

/** Hosts have room for their VMs, and none has two of one anti-affinity group. */
export function checkPlacement(topology: TopologyDraft, report: Report): void {
  checkCapacity(topology, report)
  checkAntiAffinity(topology, report)
}

function checkCapacity({ hosts = [], vms = [] }: TopologyDraft, report: Report): void {
  const counts = new Map<string | undefined, number>()
  for (const { host } of vms) if (host !== undefined) counts.set(host, (counts.get(host) ?? 0) + 1)
  for (const [index, { name, capacity }] of hosts.entries()) {
    const count = counts.get(name) ?? 0
    if (capacity !== undefined && count > capacity)
      report(pointer('hosts', index, 'capacity'), `'${name}' has ${count} VMs`, `${count} or more, or fewer VMs`)
  }
}

function checkAntiAffinity({ vms = [] }: TopologyDraft, report: Report): void {
  const taken = new Map<string, string>()
  for (const [index, { name = '', host, tenant = '', antiAffinity }] of vms.entries()) {
    if (host === undefined || antiAffinity === undefined) continue
    const key = JSON.stringify([host, tenant, antiAffinity])
    const rival = taken.get(key)
    if (rival === undefined) taken.set(key, name)
    else
      report(
        pointer('vms', index, 'host'),
        `'${host}' has '${rival}', and both are of '${antiAffinity}'`,
        'another host for each VM of an anti-affinity group',
      )
  }
}
