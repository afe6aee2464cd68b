// A lab becomes what somebody asks for: hosts and links of the emulated network as well as what the controller answers for, and the
// law of the judge with them.

import type { Controller } from '../controller/controller.ts'
import { BeingMoved, Conflict, type SwitchStatus } from '../controller/model.ts'
import { withPolicy, withVm } from '../controller/network/vm-changes.ts'
import type { Asked, ReadVm, TopologyChanges } from '../controller/topology-writes.ts'
import type { EmulatedNetwork } from '../datapath/emulator/network.ts'
import { vmNamed } from '../topologies/lookup.ts'
import type { PortPolicy, Topology } from '../topologies/topology.ts'
import type { Judge } from './judge/judge.ts'

interface ChangedLab {
  readonly controller: Controller
  readonly network: EmulatedNetwork
  readonly judge: Judge
  dial(switchName: string): void
  hangUp(switchName: string): void
}

/** The judge's number for it, and the VMs that are to go on elsewhere. */
interface Change {
  edition: number
  moved: { vm: string; host: string }[]
}

export class Changes implements TopologyChanges {
  readonly #lab: ChangedLab
  /** The latest change of the law that has been carried out where switches were there; 0 where all have confirmed it. */
  #unconfirmed = 0

  constructor(lab: ChangedLab) {
    this.#lab = lab
  }

  apply(asked: Asked, by?: string): Promise<void> {
    return this.#change((become) =>
      this.#lab.controller.apply(async (running, turn) => {
        const topology = typeof asked === 'function' ? await asked(running, turn) : asked
        become(topology)
        return topology
      }, by),
    )
  }

  changeVm(name: string, read: ReadVm, by?: string): Promise<number> {
    const { controller } = this.#lab
    const readAndBecome = (running: Topology, become: (topology: Topology) => void) => {
      const vm = read(running)
      const asked = controller.topologies.asked!
      become(withVm(asked, vmNamed(asked.vms, name), vm))
      return vm
    }
    return this.#change((become) => controller.changeVm(name, (running) => readAndBecome(running, become), by))
  }

  async setPolicy(nic: string, read: (running: Topology) => PortPolicy, by?: string): Promise<void> {
    const { controller, judge } = this.#lab
    let edition = 0
    await controller.setPolicy(
      nic,
      (running) => {
        const policy = read(running)
        const changed = withPolicy(running, nic, policy)
        controller.topologies.checkRunning(changed)
        edition = judge.amend(changed)
        return policy
      },
      by,
    )
    this.#confirm(edition)
  }

  /** Looks whether all switches know of the last change now. What is without power goes by nothing, and knows nothing of what was. */
  askWhoKnows(): void {
    if (this.#unconfirmed === 0) return
    const { controller, network, judge } = this.#lab
    const knows = ({ host, inSync }: SwitchStatus) => inSync || network.isDown(host)
    if (!controller.switches().every(knows)) return
    judge.amended(this.#unconfirmed)
    this.#unconfirmed = 0
  }

  /** `tell` has the controller told; in the very turn in which that begins, all else becomes the same. */
  async #change<T>(tell: (become: (topology: Topology) => void) => Promise<T>): Promise<T> {
    const { controller, network } = this.#lab
    let change: Change = { edition: 0, moved: [] }
    let answer: T
    try {
      answer = await tell((topology) => {
        change = this.#become(topology)
      })
    } catch (error) {
      // Where the controller has it all the same, or still.
      for (const { name, host } of controller.topology.vms)
        if (change.moved.some(({ vm }) => vm === name)) network.resume(name, host)
      throw error
    }
    this.#confirm(change.edition)
    for (const { vm, host } of change.moved) network.resume(vm, host)
    return answer
  }

  /** Nothing is changed where the controller refuses it. @throws Conflict, BeingMoved */
  #become(topology: Topology): Change {
    const { controller, network, judge } = this.#lab
    const moving = controller.vms().find(({ state }) => state === 'migrating')
    if (moving !== undefined) {
      const move = controller.migrations().find(({ vm, endedAt }) => vm === moving.name && endedAt === undefined)
      // A fault of ours has ended the move: there is no end to be waited for.
      if (move === undefined) throw new Conflict(`${moving.name} is at two places: its move has failed midway`)
      throw new BeingMoved(`${moving.name} is being moved; wait for its end, or abort it`, move.id)
    }
    controller.topologies.check(topology)
    const { added, removed, moved } = network.update(topology)
    for (const name of removed) this.#lab.hangUp(name)
    for (const name of added) this.#lab.dial(name)
    return { edition: judge.amend(topology), moved }
  }

  /** The change with this number of the judge's has been carried out: as soon as all switches say so, where some have been away. */
  #confirm(edition: number): void {
    this.#unconfirmed = Math.max(edition, this.#unconfirmed)
    this.askWhoKnows()
  }
}
