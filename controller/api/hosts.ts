import { Type } from 'typebox'
import { switchesAt, type Host } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { HOST_MODES } from '../model.ts'
import { named } from '../named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, flag, NameParams, optional, text, texts } from './schemas.ts'

const HostStatus = closed({
  name: text('Its name.'),
  vtep: optional(text('IPv4 address of its VXLAN tunnel endpoint.')),
  connected: flag('All its switches are connected.'),
  switches: texts('Its switches; the first is the integration bridge.'),
  vms: texts('VMs that run on it.'),
  capacity: optional(count('VMs that it has room for.')),
  mode: choice(
    [...HOST_MODES],
    'Whether it takes in VMs that are not there yet; failed: its VMs have begun anew elsewhere.',
  ),
  process: optional(
    closed(
      {
        peer: text('Where it dialled in from.'),
        problem: optional(text('Why it can not run as it should.')),
      },
      { description: 'The process that runs it, where it is one of its own and connected.' },
    ),
  ),
})

export function hostRoutes(api: Api, controller: Controller): void {
  api.get(
    '/hosts',
    { schema: { tags: ['hosts'], summary: 'All hosts', response: { 200: Type.Array(HostStatus) } } },
    async () => controller.topology.hosts.map((host) => statusOf(controller, host)),
  )
  api.get(
    '/hosts/:name',
    { schema: { tags: ['hosts'], summary: 'One host', params: NameParams, response: { 200: HostStatus } } },
    async ({ params }) => statusOf(controller, hostOf(controller, params.name)),
  )
  api.post(
    '/hosts/:name/undrain',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['hosts'],
        summary: 'Open the host to VMs again; a drain of it that is under way is aborted',
        params: NameParams,
        response: { 200: HostStatus },
      },
    },
    async ({ params: { name }, actor }) => {
      await controller.relocations.undrain(name, actor)
      return statusOf(controller, hostOf(controller, name))
    },
  )
}

/** @throws NotFound */
const hostOf = ({ topology: { hosts } }: Controller, name: string): Host => named('host', hosts, name)

function statusOf(controller: Controller, host: Host): Type.Static<typeof HostStatus> {
  const switches = switchesAt(host)
  const process = controller.hostProcess(host.name)
  const connected = new Set(controller.switches().flatMap((one) => (one.connected ? [one.name] : [])))
  return {
    name: host.name,
    ...(host.vtep !== undefined && { vtep: host.vtep }),
    connected: switches.every((name) => connected.has(name)),
    switches,
    ...(host.capacity !== undefined && { capacity: host.capacity }),
    mode: controller.relocations.modeOf(host.name),
    vms: controller.vms().flatMap((vm) => (vm.host === host.name ? [vm.name] : [])),
    ...(process && {
      process: { peer: process.peer, ...(process.problem !== undefined && { problem: process.problem }) },
    }),
  }
}
