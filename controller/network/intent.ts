import type { ActivationFrame, HoldLimits, PortState } from '../../protocols/control/messages.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { Stage } from './bindings.ts'
import { LearnedAddresses } from './learned.ts'
import { Memberships } from './memberships.ts'

/** What the controller has to do, in full. `topology` says where VMs are now. */
export interface Intent {
  readonly topology: Topology
  /** VMs that are moving, by name. */
  readonly moves: ReadonlyMap<string, Move>
  /** By VM that has been given another place without a move: hosts at which its ports may be open still. Its own stay closed until then. */
  readonly formerHosts: ReadonlyMap<string, readonly string[]>
  readonly learned: LearnedAddresses
  readonly memberships: Memberships
}

export interface Move {
  readonly to: string
  readonly stage: Stage
  readonly homeState: PortState
  readonly targetState: PortState
  /** What ports in state `hold` keep at most, as far as the move says it; the rest is as their hosts say. */
  readonly hold?: Partial<HoldLimits>
  /** By what the guest shows that it goes on at the target, once it may. */
  readonly activation?: readonly ActivationFrame[]
}

/** A topology and nothing else: nobody moves, and nothing has been learned. */
export const bareIntent = (topology: Topology): Intent => ({
  topology,
  moves: new Map(),
  formerHosts: new Map(),
  learned: new LearnedAddresses(),
  memberships: new Memberships(),
})
