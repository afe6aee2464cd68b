// The scenario that is explored, with all that its runs have in common: read, compiled and worked out once.

import { readFileSync } from 'node:fs'
import { parseMac } from '../../protocols/address.ts'
import { SharedWork } from '../../controller/shared-work.ts'
import { sharedMessages } from '../../protocols/control/shared-messages.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Scenario, Step, TimelineEntry } from '../../topologies/scenario.ts'
import { switchesAt, type Nic, type Topology } from '../../topologies/topology.ts'
import { findNic } from '../../topologies/lookup.ts'
import { frameFrom } from '../frame-text.ts'
import { capturePath } from '../captures.ts'
import { framesNear, framesOf, type CaptureFrame } from './capture-frames.ts'
import { Images } from './images.ts'
import { policiesOf } from './measure.ts'
import type { Schedule } from './schedule.ts'

/** Pairs of vNICs that say something to each other at the end of a run. */
const PROBES = 64

interface Probe {
  nic: string
  bytes: Uint8Array
}

export class Subject {
  readonly scenario: Scenario
  /** Switches of all runs are told much the same. */
  readonly decode = sharedMessages()
  readonly images = new Images()
  readonly work = new SharedWork()
  readonly #captures = new Map<Step, readonly CaptureFrame[]>()
  readonly #policies = new WeakMap<Topology, ReadonlyMap<string, string>>()
  /** By how much longer links may take. */
  readonly #shaky = new Map<number, Topology>()
  readonly #probes = new Map<string, readonly Probe[]>()

  private constructor(scenario: Scenario) {
    this.scenario = scenario
  }

  /** @throws file errors, where a capture can not be read */
  static async read(scenario: Scenario): Promise<Subject> {
    const subject = new Subject(scenario)
    for (const { step } of scenario.timeline) {
      if (step.type !== 'replay') continue
      const frames = await framesOf(readFileSync(capturePath(scenario, step)), step, scenario.topology)
      subject.#captures.set(step, frames)
    }
    return subject
  }

  /** The frames of a step's capture that go in where things happen at these instants of the timeline. */
  framesFor({ at, step }: TimelineEntry, instants: readonly Nanoseconds[]): CaptureFrame[] {
    const frames = this.#captures.get(step)!
    // Of a connection that is tracked each frame matters to those after it.
    if (this.scenario.topology.securityGroups.length > 0) return [...frames]
    return framesNear(
      frames,
      instants.map((instant) => instant - at),
    )
  }

  /** By vNIC, the policy that its port is to have wherever its VM runs. */
  policiesOf(topology: Topology): ReadonlyMap<string, string> {
    const known = this.#policies.get(topology) ?? policiesOf(topology)
    this.#policies.set(topology, known)
    return known
  }

  /** As the network is under this schedule. What the controller is told is the scenario's own. */
  topologyFor({ perturbations }: Schedule): Topology {
    const by = perturbations.reduce((sum, one) => (one.kind === 'jitter' ? sum + one.by : sum), 0)
    if (by === 0) return this.scenario.topology
    const known = this.#shaky.get(by) ?? withJitter(this.scenario.topology, by)
    this.#shaky.set(by, known)
    return known
  }

  probes(topology: Topology): readonly Probe[] {
    const key = topology.vms.map(({ name }) => name).join()
    const known = this.#probes.get(key) ?? probesOf(topology)
    this.#probes.set(key, known)
    return known
  }
}

/** By name, the switches of all hosts. */
export const switchesOf = ({ hosts }: Topology): string[] => hosts.flatMap(switchesAt)

const withJitter = (topology: Topology, by: number): Topology => ({
  ...topology,
  fabric: {
    ...topology.fabric,
    links: topology.fabric.links.map((link) => ({ ...link, jitter: link.jitter + by })),
  },
})

function probesOf(topology: Topology): Probe[] {
  const nics = topology.vms.flatMap((vm) => vm.nics).filter((nic) => nic.network !== undefined)
  const pairs = nics.flatMap((from) => nics.filter((to) => areNeighbours(from, to)).map((to) => [from, to] as const))
  const step = Math.max(1, Math.ceil(pairs.length / PROBES))
  return pairs
    .filter((_pair, index) => index % step === 0)
    .map(([from, to]) => ({
      nic: from.id,
      bytes: frameFrom(`udp,dl_dst=${to.mac},tp_src=40000,tp_dst=9`, findNic(topology, from.id), topology),
    }))
}

const areNeighbours = (from: Nic, to: Nic): boolean =>
  from.vm !== to.vm && from.network === to.network && parseMac(from.mac) !== parseMac(to.mac)
