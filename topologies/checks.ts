// What a schema can not say: that names mean something, that nothing is doubled, that things fit.

import { checkAddresses } from './checks/addresses.ts'
import { checkBridges } from './checks/bridges.ts'
import { checkFabric } from './checks/fabric.ts'
import { checkFloods } from './checks/floods.ts'
import { checkMirrors } from './checks/mirrors.ts'
import { checkNames } from './checks/names.ts'
import { checkNetworks } from './checks/networks.ts'
import { checkNics } from './checks/nics.ts'
import { checkPlacement } from './checks/placement.ts'
import { checkQos } from './checks/qos.ts'
import { checkSecurityGroups } from './checks/security-groups.ts'
import { checkQuotas } from './checks/quotas.ts'
import { checkSnooping } from './checks/snooping.ts'
import { checkTenants } from './checks/tenants.ts'
import { checkTunnelEndpoints } from './checks/tunnel-endpoints.ts'
import type { TopologyDraft } from './draft.ts'
import type { Report } from './findings.ts'

/** Reports every contradiction in the topology. One without any can be completed and run. */
export function checkTopology(topology: TopologyDraft, report: Report): void {
  checkNames(topology, report)
  checkBridges(topology, report)
  checkFabric(topology, report)
  checkNetworks(topology, report)
  checkSnooping(topology, report)
  checkNics(topology, report)
  checkAddresses(topology, report)
  checkSecurityGroups(topology, report)
  checkMirrors(topology, report)
  checkTenants(topology, report)
  checkQuotas(topology, report)
  checkTunnelEndpoints(topology, report)
  checkPlacement(topology, report)
  checkFloods(topology, report)
  checkQos(topology, report)
}
