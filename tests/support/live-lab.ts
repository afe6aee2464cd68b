// A small network, live, behind its API: two VMs of `blue` and one of `green`, on two hosts.

import { expect, vi } from 'vitest'
import type { ServerOptions } from '../../controller/api/server.ts'
import { buildServer } from '../../controller/api/server.ts'
import type { Api } from '../../controller/api/api.ts'
import { Lab } from '../../lab/lab.ts'
import { liveRoutes } from '../../lab/live.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { parseTopology } from '../../topologies/load.ts'

const nic = (network: string, address: string) => ({ name: 'eth0', network, addresses: [address] })

export const smallTopology = () => ({
  version: 1,
  name: 'small',
  hosts: [
    { name: 'h1', vtep: '192.0.2.1' },
    { name: 'h2', vtep: '192.0.2.2' },
  ],
  networks: [
    { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.10.0/24' }] },
    { name: 'green', type: 'vxlan', segment: 5001, igmpSnooping: true },
  ],
  vms: [
    { name: 'web1', host: 'h1', nics: [nic('blue', '10.0.10.11')] },
    { name: 'db1', host: 'h2', nics: [nic('blue', '10.0.10.12')] },
    { name: 'other', host: 'h2', nics: [nic('green', '10.1.0.11')] },
  ],
})

export interface LiveLab {
  lab: Lab
  api: Api
  stop(): Promise<void>
}

export async function startLiveLab(options: ServerOptions = {}): Promise<LiveLab> {
  const clock = new WallClock()
  const lab = await Lab.start(parseTopology(JSON.stringify(smallTopology()), 'small'), { clock, seed: 1 })
  const api = await buildServer(lab.controller, {
    ...options,
    changes: lab.changes,
    routes: (routes) => liveRoutes(routes, lab),
  })
  const stop = async () => {
    await api.close()
    clock.stop()
  }
  return { lab, api, stop }
}

/** Pings until all answers come: where the machine has much else to do, one may come too late. Gives what was told last. */
export const untilReached = <T>(ping: () => Promise<T>, received = 1): Promise<T> =>
  vi.waitFor(
    async () => {
      const told = await ping()
      expect(told).toMatchObject({ received })
      return told
    },
    { timeout: 100_000 },
  )

export const reaches = ({ api }: LiveLab, from: string, to: string): Promise<unknown> =>
  untilReached(async () => (await ask(api, 'POST', '/ping', { from, to, count: 1 })).body)

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What the API answers, its JSON read. */
export async function ask(api: Api, method: Method, url: string, payload?: object | string, type?: string) {
  const headers = type === undefined ? {} : { 'content-type': type }
  const answer = await api.inject({ method, url, headers, ...(payload !== undefined && { payload }) })
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() }
}

/** What the API answers to somebody who wants text. */
export async function askForText(api: Api, url: string): Promise<string> {
  return (await api.inject({ url, headers: { accept: 'text/plain' } })).body
}
