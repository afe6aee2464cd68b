// A controller that answers its API over HTTP, and switches that are connected to it over TCP: all in this process, over loopback.

import { setTimeout as sleep } from 'node:timers/promises'
import { buildServer } from '../../controller/api/server.ts'
import { Controller } from '../../controller/controller.ts'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { dial, listen } from '../../runtime/sockets.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import type { Topology } from '../../topologies/topology.ts'
import { connectSwitch } from '../live-switch.ts'

export class ApiSite {
  readonly #url: string
  readonly #close: () => Promise<unknown>

  private constructor(url: string, close: () => Promise<unknown>) {
    this.#url = url
    this.#close = close
  }

  /** The integration bridges of `hosts` are there, and have all that they are to have. */
  static async start(topology: Topology, hosts: readonly string[]): Promise<ApiSite> {
    const clock = new WallClock()
    const controller = new Controller({ clock })
    await controller.apply(topology)
    const here: Endpoint = { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 }
    const listener = await listen(here, undefined, (channel) => controller.accept(channel))
    for (const host of hosts) {
      const there = { ...listener.endpoint, passive: false } as Endpoint
      connectSwitch(host, clock, await dial(there, undefined, AbortSignal.timeout(10_000)))
    }
    while (controller.switches().filter(({ connected }) => connected).length < hosts.length) await sleep(10)
    await controller.inSync()
    const api = await buildServer(controller)
    const url = await api.listen({ host: '127.0.0.1', port: 0 })
    return new ApiSite(url, async () => {
      controller.close()
      await Promise.all([api.close(), listener.close()])
      clock.stop()
    })
  }

  put(path: string, body: string): Promise<void> {
    return this.#ask(path, { method: 'PUT', headers: { 'content-type': 'application/json' }, body })
  }

  delete(path: string): Promise<void> {
    return this.#ask(path, { method: 'DELETE' })
  }

  /** Resolves with the answer: that comes after the barrier of every switch concerned. */
  async #ask(path: string, request: RequestInit): Promise<void> {
    const answer = await fetch(`${this.#url}${path}`, request)
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
  }

  close(): Promise<unknown> {
    return this.#close()
  }
}

export const policyPath = (nic: string): string => `/ports/${encodeURIComponent(nic)}/policy`

export const vmPath = (vm: string): string => `/topology/vms/${encodeURIComponent(vm)}`
