// Which QEMU has a VM, or waits for it: with that, a move of the VM moves the guest too.

import { Type } from 'typebox'
import { parseEndpoint } from '../../runtime/endpoint.ts'
import type { Controller } from '../controller.ts'
import type { Api } from './api.ts'
import { WrongInput } from './errors.ts'
import { closed, NameParams, optional, text } from './schemas.ts'

const QMP = 'Its monitor (QMP), as unix:/run/web1.qmp or tcp:HOST:PORT.'
const INCOMING = 'Where it waits for a guest that moves in, as the QEMU of the source dials it: tcp:h2.example:4444.'

const Place = closed({
  vm: text('VM.'),
  host: text('Host.'),
  qmp: text(QMP),
  incoming: optional(text(INCOMING)),
})

const HOST = 'Host; that on which the VM runs where absent.'
const Order = closed({
  qmp: text(QMP),
  incoming: optional(Type.String({ description: INCOMING, pattern: '^(tcp|unix):.+$' })),
  host: optional(text(HOST)),
})

const HostQuery = closed({ host: optional(text(HOST)) })

export function hypervisorRoutes(api: Api, controller: Controller): void {
  const places = controller.guestPlaces
  api.get(
    '/hypervisors',
    { schema: { tags: ['vms'], summary: 'Which QEMU has which VM', response: { 200: Type.Array(Place) } } },
    async () => places.all(),
  )
  api.put(
    '/vms/:name/hypervisor',
    {
      // Whoever says so makes the controller dial that place.
      config: { role: 'admin' },
      schema: {
        tags: ['vms'],
        summary: 'Say which QEMU has a VM at a host, or waits for it there',
        params: NameParams,
        body: Order,
        response: { 200: Place },
      },
    },
    async ({ params: { name }, body: { host, qmp, incoming }, actor }) => {
      checkPlace(qmp)
      return places.set(name, { qmp, ...(incoming !== undefined && { incoming }) }, host, actor)
    },
  )
  api.delete(
    '/vms/:name/hypervisor',
    {
      config: { role: 'admin' },
      schema: {
        tags: ['vms'],
        summary: 'Forget which QEMU has a VM at a host',
        params: NameParams,
        querystring: HostQuery,
        response: { 200: Place },
      },
    },
    async ({ params, query, actor }) => places.remove(params.name, query.host, actor),
  )
}

function checkPlace(qmp: string): void {
  const problem = problemOf(qmp)
  if (problem !== undefined) throw new WrongInput('No such monitor', [{ detail: problem, pointer: '/qmp' }])
}

function problemOf(qmp: string): string | undefined {
  try {
    const { kind, passive } = parseEndpoint(qmp)
    return passive || kind === 'ssl' ? `'${qmp}' can not be dialled; expected unix:FILE or tcp:HOST:PORT` : undefined
  } catch (error) {
    return (error as Error).message
  }
}
