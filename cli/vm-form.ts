// Verbs for one VM as a topology's file has it: to see, add, change and take away.

import { ownName, tenantOf } from '../topologies/tenants.ts'
import type { WrittenVm } from '../topologies/schema/topology.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { JSON_FORMS, readJson } from './json-argument.ts'

const NAME = "a tenant's as red/web1"
const EXAMPLE = '{"host": "h1", "nics": [{"name": "eth0", "network": "blue"}]}'

const pathOf = (vm: string) => `/topology/vms/${encodeURIComponent(vm)}`

export const showCommand = () =>
  clientCommand('show')
    .summary("one VM, as a topology's file has it")
    .argument('<vm>', NAME)
    .action(async (vm: string, flags: ClientFlags) => {
      const shown = await new ApiClient(flags).json<WrittenVm>('GET', pathOf(vm))
      print(flags, shown, JSON.stringify(shown, undefined, 2))
    })

export const addCommand = () =>
  formCommand('add', true)
    .summary('add a VM to the topology')
    .description(
      `Adds a VM to the topology, and answers once all switches that it concerns have it: vm add web9 '${EXAMPLE}'. No other object is touched.`,
    )

export const setCommand = () =>
  formCommand('set', false)
    .summary('make a VM of the topology another')
    .description(
      'Makes a VM what this says, whole: what is left out is as in a file that leaves it out. It stays where a move has brought it unless its host is another than was asked for before. A VM that is not there yet is added.',
    )

export const deleteCommand = () =>
  clientCommand('del')
    .summary('take a VM out of the topology')
    .argument('<vm>', NAME)
    .action(async (vm: string, flags: ClientFlags) => {
      const removed = await new ApiClient(flags).json<WrittenVm>('DELETE', pathOf(vm))
      print(flags, removed, `${vm} is on no switch any more`)
    })

const formCommand = (verb: string, isNew: boolean) =>
  clientCommand(verb)
    .argument('<vm>', NAME)
    .argument('<form>', `what a topology's file says of it, ${JSON_FORMS}`)
    .action((vm: string, form: string, flags: ClientFlags) => put(vm, form, flags, isNew))

async function put(vm: string, form: string, flags: ClientFlags, isNew: boolean): Promise<void> {
  const tenant = tenantOf(vm)
  const named = { name: ownName({ name: vm, tenant }), ...(tenant !== undefined && { tenant }) }
  const body = { ...named, ...(await readJson(form, 'VM', EXAMPLE)) }
  const now = await new ApiClient(flags).json<WrittenVm>('PUT', pathOf(vm), { body, ...(isNew && { ifNew: true }) })
  print(flags, now, `${vm} is at ${now.host}, on every switch that it concerns`)
}
