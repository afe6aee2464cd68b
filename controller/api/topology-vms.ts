// One VM of the topology, as its file has it.

import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { InvalidField } from '../../protocols/errors.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import { Vm as WrittenForm, type WrittenVm } from '../../topologies/schema/topology.ts'
import type { Topology, Vm } from '../../topologies/topology.ts'
import { type Home, parseVm, vmToJson } from '../../topologies/vm.ts'
import type { Controller } from '../controller.ts'
import { CHANGE_HEADER, Conflict, NotFound } from '../model.ts'
import type { TopologyChanges } from '../topology-writes.ts'
import type { Api } from './api.ts'
import { PreconditionFailed } from './errors.ts'
import { NameParams, optional } from './schemas.ts'
import { takeText } from './text-body.ts'

const Written = Type.Unsafe<WrittenVm>(WrittenForm)

const Conditions = Type.Object({
  'if-match': optional(
    Type.String({ description: 'Only where the VM is still that of which an answer had this ETag.' }),
  ),
  'if-none-match': optional(Type.Literal('*', { description: 'Only where there is no such VM yet.' })),
})
type Conditions = Type.Static<typeof Conditions>

export function topologyVmRoutes(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.get(
    '/topology/vms/:name',
    {
      schema: {
        tags: ['topology'],
        summary: "One VM, as in a topology's file, at the host to which migrations took it",
        params: NameParams,
        response: { 200: Written },
      },
    },
    async ({ params: { name } }, reply) => {
      const vm = vmIn(controller.topology, name)
      void reply.header('etag', tagOf(vm))
      return vmToJson(vm)
    },
  )
  void api.register(async (scope: Api) => {
    takeText(scope)
    putVm(scope, controller, changes)
  })
  deleteVm(api, changes)
}

function putVm(api: Api, controller: Controller, changes: TopologyChanges): void {
  api.put(
    '/topology/vms/:name',
    {
      // What is wrong is told as it is of a file.
      validatorCompiler: () => () => true,
      schema: {
        tags: ['topology'],
        summary: 'Make one VM this, or add it',
        description:
          'As `PUT /topology` of the whole with this VM in it, its last where it is new; no other object is touched. Answers when every connected switch that it concerns has it.',
        params: NameParams,
        headers: Conditions,
        body: Written,
        response: { 200: Written, 201: Written },
      },
    },
    async ({ params: { name }, body, headers, actor }, reply) => {
      let before: Vm | undefined
      const read = (running: Topology): Vm => {
        before = vmNamed(running.vms, name)
        checkConditions(headers, name, before)
        return parseVm(body as unknown as string, name, running, homeOf(name, before, controller))
      }
      const number = await changes.changeVm(name, read, actor)
      const vm = vmIn(controller.topology, name)
      void reply
        .code(before === undefined ? 201 : 200)
        .header(CHANGE_HEADER, number)
        .header('etag', tagOf(vm))
      return vmToJson(vm)
    },
  )
}

function deleteVm(api: Api, changes: TopologyChanges): void {
  api.delete(
    '/topology/vms/:name',
    {
      schema: {
        tags: ['topology'],
        summary: 'Take one VM away',
        description: 'Answers when no connected switch has anything of it.',
        params: NameParams,
        headers: Conditions,
        response: { 200: Written },
      },
    },
    async ({ params: { name }, headers, actor }, reply) => {
      let removed: Vm | undefined
      const read = (running: Topology): undefined => {
        removed = vmIn(running, name)
        checkConditions(headers, name, removed)
        checkNotCopied(removed, running)
      }
      void reply.header(CHANGE_HEADER, await changes.changeVm(name, read, actor))
      return vmToJson(removed!)
    },
  )
}

function homeOf(name: string, running: Vm | undefined, { topologies }: Controller): Home | undefined {
  const asked = vmNamed(topologies.asked?.vms ?? [], name)
  return asked && running && { asked: asked.host, now: running.host }
}

/** @throws NotFound */
function vmIn({ vms }: Topology, name: string): Vm {
  const vm = vmNamed(vms, name)
  if (vm !== undefined) return vm
  const known = vms.map((one) => one.name)
  throw new NotFound('VM', name, known)
}

/** @throws Conflict where a mirror names it */
function checkNotCopied({ nics }: Vm, { mirrors = [] }: Topology): void {
  const ids = new Set(nics.map(({ id }) => id))
  for (const { name, source, target } of mirrors)
    for (const end of [source, target])
      if (end.kind === 'port' && ids.has(end.port))
        throw new Conflict(`mirror '${name}' names ${end.port}; take the mirror away first`)
}

/** @throws PreconditionFailed; InvalidField for a tag where there is to be none */
function checkConditions({ 'if-match': match, 'if-none-match': none }: Conditions, name: string, vm: Vm | undefined) {
  if (none !== undefined && none !== '*') throw new InvalidField('if-none-match', `found ${none as string}`, '*')
  if (none !== undefined && vm !== undefined) throw new PreconditionFailed(`there is a VM '${name}' already`)
  if (match === undefined) return
  if (vm === undefined) throw new PreconditionFailed(`there is no VM '${name}' any more`)
  const tags = match.split(',').map((tag) => tag.trim())
  if (!tags.includes('*') && !tags.includes(tagOf(vm)))
    throw new PreconditionFailed(`VM '${name}' is another than that of ${match}`)
}

/** Another for each form that it takes. */
function tagOf(vm: Vm): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(vmToJson(vm)))
    .digest('hex')
  return `"${digest.slice(0, 16)}"`
}
