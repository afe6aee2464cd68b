import type { Nic } from '../topologies/topology.ts'

/** Whether two vNICs can be expected to reach each other: both are in one network, untagged. */
export const sharesNetwork = (a: Nic, b: Nic): boolean => a.network !== undefined && a.network === b.network
