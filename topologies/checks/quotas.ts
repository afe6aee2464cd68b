import type { TopologyDraft } from '../draft.ts'
import type { Report } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { Quota } from '../topology.ts'

const NOUNS = {
  networks: 'network',
  vms: 'VM',
  vnics: 'vNIC',
  securityGroups: 'security group',
  securityGroupRules: 'security group rule',
} as const satisfies { [Kind in keyof Required<Quota>]: string }

/** No tenant has more than its quota: the first that is too many is where it is wrong. */
export function checkQuotas(topology: TopologyDraft, report: Report): void {
  const quotas = new Map((topology.tenants ?? []).map(({ name, quota = {} }) => [name, quota]))
  const counts = new Map<string, number>()
  for (const { kind, tenant, at } of ownedIn(topology)) {
    if (tenant === undefined) continue
    const key = `${kind} ${tenant}`
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    const most = quotas.get(tenant)?.[kind]
    if (count - 1 === most)
      report(at, `one ${NOUNS[kind]} more than the quota of ${tenant} allows`, `at most ${most} in all`)
  }
}

interface OwnedPlace {
  kind: keyof typeof NOUNS
  tenant: string | undefined
  at: string
}

function* ownedIn({ networks = [], securityGroups = [], vms = [] }: TopologyDraft): Generator<OwnedPlace> {
  for (const [index, { tenant }] of networks.entries())
    yield { kind: 'networks', tenant, at: pointer('networks', index) }
  for (const [index, { tenant, rules = [] }] of securityGroups.entries()) {
    yield { kind: 'securityGroups', tenant, at: pointer('securityGroups', index) }
    for (const place of rules.keys())
      yield { kind: 'securityGroupRules', tenant, at: pointer('securityGroups', index, 'rules', place) }
  }
  for (const [index, { tenant, nics = [] }] of vms.entries()) {
    yield { kind: 'vms', tenant, at: pointer('vms', index) }
    for (const place of nics.keys()) yield { kind: 'vnics', tenant, at: pointer('vms', index, 'nics', place) }
  }
}
