import { Type } from 'typebox'
import type { Controller } from '../controller.ts'
import { NotFound } from '../model.ts'
import type { Api } from './api.ts'
import { choice, closed, count, NameParams, optional, text, texts } from './schemas.ts'

const PORT_STATES = ['closed', 'hold', 'open'] as const

const VmReport = closed({
  name: text('Its name.'),
  host: text('Host on which it runs.'),
  state: choice(['running', 'migrating'], 'Whether it is being moved.'),
  nics: Type.Array(
    closed({
      id: text('As web1:eth0.'),
      network: optional(text('Network of untagged frames.')),
      mac: text('MAC address.'),
      addresses: texts('IPv4 and IPv6 addresses.'),
      switch: text('Switch that its port is on.'),
      port: count('OpenFlow number of its port.'),
      state: choice([...PORT_STATES], 'What its port lets through; closed until its policy is in place.'),
    }),
  ),
})

export function vmRoutes(api: Api, controller: Controller): void {
  api.get(
    '/vms',
    { schema: { tags: ['vms'], summary: 'All VMs', response: { 200: Type.Array(VmReport) } } },
    async () => controller.vms(),
  )
  api.get(
    '/vms/:name',
    { schema: { tags: ['vms'], summary: 'One VM', params: NameParams, response: { 200: VmReport } } },
    async ({ params }) => {
      const vms = controller.vms()
      const vm = vms.find(({ name }) => name === params.name)
      if (vm === undefined)
        throw new NotFound(
          'VM',
          params.name,
          vms.map(({ name }) => name),
        )
      return vm
    },
  )
}
