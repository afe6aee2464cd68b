// Hosts of an overlay in a few parts. A flood goes through one list of copies for each part, so that a host which has lists of its own
// where it leaves itself out has one short list of its own.

import type { Host, Network } from '../../topologies/topology.ts'
import { groupBy } from './grouping.ts'
import { once } from '../../runtime/once.ts'

const PARTS = 16

/** Of a host with a tunnel endpoint. By all octets of its address: endpoints may differ in any. */
export const partOf = once(
  ({ vtep }: Host): number => vtep!.split('.').reduce((sum, octet) => sum + Number(octet), 0) % PARTS,
)

/** Those with tunnel endpoints, by part. */
export const partsOf = ({ type }: Network, hosts: readonly Host[]): Map<number, Host[]> =>
  type === 'vxlan'
    ? groupBy(
        hosts.filter(({ vtep }) => vtep !== undefined),
        partOf,
      )
    : new Map()
