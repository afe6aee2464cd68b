// What a scenario sends beside captures: pings, and frames of its own.

import { SECOND, sleep } from '../runtime/clock.ts'
import type { VirtualClock } from '../runtime/virtual-clock.ts'
import type { Step } from '../topologies/scenario.ts'
import { findNic } from '../topologies/lookup.ts'
import { frameFrom } from './frame-text.ts'
import type { Lab } from './lab.ts'
import { expectedReach } from './reachability.ts'
import type { RunLog } from './run-log.ts'

export interface TrafficOptions {
  lab: Lab
  clock: VirtualClock
  log: RunLog
}

export class Traffic {
  readonly #options: TrafficOptions

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  async ping({ from, to, count, interval, expect }: Extract<Step, { type: 'ping' }>): Promise<void> {
    const { lab, log } = this.#options
    const { topology } = lab.controller
    const [source, target] = [findNic(topology, from), findNic(topology, to)]
    const expected = expect ?? expectedReach(topology, source, target)
    const result = await lab.pinger.ping(source, target, { count, interval })
    log.pings.push({ result, expected })
  }

  async pingAll(): Promise<void> {
    const nics = this.#options.lab.controller.topology.vms.flatMap((vm) => vm.nics)
    for (const from of nics) {
      for (const to of nics) {
        if (from.vm !== to.vm) await this.ping({ type: 'ping', from: from.id, to: to.id, count: 1, interval: SECOND })
      }
    }
  }

  async send({ from, frame, count, rate }: Extract<Step, { type: 'send' }>): Promise<void> {
    const { lab, clock } = this.#options
    const { topology } = lab.controller
    const nic = findNic(topology, from)
    const bytes = frameFrom(frame, nic, topology)
    const start = clock.now()
    for (let sent = 0; sent < count; sent++) {
      await sleep(clock, start + Math.round((sent * SECOND) / rate) - clock.now())
      lab.inject(nic.id, bytes, 'send')
    }
  }
}
