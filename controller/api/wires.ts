// What vNICs are joined to, where hosts are processes of their own with real frames.

import { Type } from 'typebox'
import { parseWire } from '../../runtime/wires/parse.ts'
import type { Controller } from '../controller.ts'
import type { Wire } from '../hosts/wires.ts'
import type { Api } from './api.ts'
import { WrongInput } from './errors.ts'
import { closed, flag, IdParams, optional, text } from './schemas.ts'

const WireReport = closed({
  nic: text('vNIC, as web1:eth0.'),
  host: text('Host at which it is joined so.'),
  wire: text('What it is joined to, as tap:web1.'),
  connected: flag('The host has it, and somebody is at the other end as far as that can be known.'),
  problem: optional(text('Why not.')),
})

const WireOrder = closed({
  wire: text('dgram:…, stream:…, tap:NAME or interface:NAME; docs/attach.md has examples.'),
  host: optional(text('Host; that on which its VM runs where absent.')),
})

const HostQuery = closed({ host: optional(text('Host; that on which its VM runs where absent.')) })

export function wireRoutes(api: Api, controller: Controller): void {
  api.get(
    '/wires',
    { schema: { tags: ['wires'], summary: 'All wires', response: { 200: Type.Array(WireReport) } } },
    async () => controller.wires().map((wire) => reportOf(controller, wire)),
  )
  api.put(
    '/ports/:id/wire',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['wires'],
        summary: 'Join a vNIC to a wire',
        params: IdParams,
        body: WireOrder,
        response: { 200: WireReport },
      },
    },
    async ({ params, body: { wire, host }, actor }) => {
      checkWire(wire)
      return reportOf(controller, await controller.attach(params.id, wire, host, actor))
    },
  )
  api.delete(
    '/ports/:id/wire',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['wires'],
        summary: 'Take a vNIC from its wire',
        params: IdParams,
        querystring: HostQuery,
        response: { 200: WireReport },
      },
    },
    async ({ params, query, actor }) => reportOf(controller, await controller.detach(params.id, query.host, actor)),
  )
}

function checkWire(wire: string): void {
  try {
    parseWire(wire)
  } catch (error) {
    throw new WrongInput('No such wire', [{ detail: (error as Error).message, pointer: '/wire' }])
  }
}

function reportOf(controller: Controller, { nic, host, wire }: Wire): Type.Static<typeof WireReport> {
  const running = controller.hostProcess(host)
  const known = running?.wires.find((one) => one.vnic === nic && one.wire === wire)
  const problem = known === undefined ? whyNot(controller, nic, host, running !== undefined) : known.problem
  return { nic, host, wire, connected: known?.connected ?? false, ...(problem !== '' && { problem }) }
}

function whyNot(controller: Controller, nic: string, host: string, isThere: boolean): string {
  if (!isThere) return `${host} is not connected`
  const vm = controller.vms().find(({ nics }) => nics.some(({ id }) => id === nic))
  return vm?.host === host ? 'not told by the host yet' : `${vm?.name} is not at ${host}`
}
