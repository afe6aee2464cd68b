// START HERE: the controller as the API, the lab and the command line meet it. It joins the parts below and holds no logic.

import type { FlowFilter, FlowSpec, FlowStatistics, PortStatistics } from '../protocols/control/messages.ts'
import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type { Channel } from '../runtime/transport.ts'
import type { Topology } from '../topologies/topology.ts'
import type { ControllerEvent, Hypervisor, MigrationStatus, SwitchStatus, UserFlow, VmStatus } from './model.ts'

export interface ControllerOptions {
  clock: Clock
  hypervisor?: Hypervisor
  log?: (line: string) => void
  /** How long frames may still be on their way to a migration's source after its peers have let go of it; 2 ms where absent. */
  drain?: Nanoseconds
}

export class Controller {
  constructor(_options: ControllerOptions) {}

  /** A switch has dialled in. Its featuresReply says which. */
  accept(_channel: Channel): void {
    throw new Error('not yet')
  }

  /**
   * Makes the networks what `topology` says. Resolves when every connected switch concerned is in sync; switches that
   * are away follow when they return.
   * @throws SwitchRefused
   */
  apply(_topology: Topology): Promise<void> {
    throw new Error('not yet')
  }

  /** As applied, VMs at the hosts to which migrations took them. */
  get topology(): Topology {
    throw new Error('not yet')
  }

  switches(): SwitchStatus[] {
    throw new Error('not yet')
  }

  vms(): VmStatus[] {
    throw new Error('not yet')
  }

  /**
   * Adds all or none; resolves after the barrier of every switch concerned.
   * @throws SwitchRefused, NotFound, Conflict where a switch is away, InvalidField
   */
  addFlows(_flows: UserFlow[]): Promise<void> {
    throw new Error('not yet')
  }

  /** Deletes user flows: those `filter` matches, or the very one that `strict` identifies. Resolves with how many. */
  deleteFlows(_switchName: string, _filter: FlowFilter, _strict?: FlowSpec): Promise<number> {
    throw new Error('not yet')
  }

  /** What the switch has, the controller's own flows included. */
  dumpFlows(_switchName: string, _filter?: FlowFilter): Promise<FlowStatistics[]> {
    throw new Error('not yet')
  }

  userFlows(): UserFlow[] {
    throw new Error('not yet')
  }

  portStatistics(_switchName: string): Promise<PortStatistics[]> {
    throw new Error('not yet')
  }

  /**
   * Starts to move a VM.
   * @throws NotFound, Conflict
   */
  migrate(_request: { vm: string; to: string; pause?: Nanoseconds }): MigrationStatus {
    throw new Error('not yet')
  }

  /** Resolves when the migration has ended, well or not. */
  migrationDone(_id: string): Promise<MigrationStatus> {
    throw new Error('not yet')
  }

  /** Asks the migration to undo itself; resolves when it has ended. */
  abortMigration(_id: string): Promise<MigrationStatus> {
    throw new Error('not yet')
  }

  migrations(): MigrationStatus[] {
    throw new Error('not yet')
  }

  /** Calls `listener` with everything that happens from now on, until the returned function is called. */
  subscribe(_listener: (event: ControllerEvent) => void): () => void {
    throw new Error('not yet')
  }

  /** Resolves when all connected switches are in sync. */
  inSync(): Promise<void> {
    throw new Error('not yet')
  }
}
