// What people do, as the journal has it.

import { writeHold } from '../../topologies/hold.ts'
import type { FlowFilter, FlowSpec } from '../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { printFlow, printMatch } from '../../protocols/flow-text/print.ts'
import type { PortPolicy, Topology, Vm } from '../../topologies/topology.ts'
import { vmToJson } from '../../topologies/vm.ts'
import { formatDuration } from '../../topologies/units.ts'
import type { BalanceOptions, DrainOptions, MoveRequest, UserFlow } from '../model.ts'
import { keepUnchanged } from '../network/sharing.ts'
import type { Operation } from './state.ts'
import { textOf as errorText } from '../../runtime/error-text.ts'

/** Whoever does not say who they are sits at this machine. */
export const LOCAL = 'local'

/** Names of what changed that an entry lists at most, of each kind. */
const LISTED = 100
const DEPTH = 8

export const applying = (by: string, asked: Topology, before: Topology | undefined): Operation => ({
  by,
  operation: 'apply topology',
  arguments: { topology: asked.name, ...changesOf(before, asked) },
})

export const settingPolicy = (by: string, vnic: string, policy: PortPolicy): Operation => ({
  by,
  operation: 'set policy',
  arguments: { vnic, policy },
})

/** Of a VM that goes, only its name. */
export const settingVm = (by: string, name: string, vm: Vm | undefined): Operation =>
  vm === undefined
    ? { by, operation: 'remove VM', arguments: { vm: name } }
    : { by, operation: 'set VM', arguments: { vm: vmToJson(vm) } }

/** Names, by kind and by what has become of them. */
export const changesOf = (before: Topology | undefined, asked: Topology): Record<string, Record<string, string[]>> => ({
  ...changeOf('tenants', before?.tenants, asked.tenants ?? []),
  ...changeOf('hosts', before?.hosts, asked.hosts),
  ...changeOf('networks', before?.networks, asked.networks),
  ...changeOf('addressGroups', before?.addressGroups, asked.addressGroups),
  ...changeOf('securityGroups', before?.securityGroups, asked.securityGroups),
  ...changeOf('vms', before?.vms, asked.vms),
  ...changeOf('mirrors', before?.mirrors, asked.mirrors ?? []),
})

export const adding = (by: string, flows: readonly UserFlow[]): Operation => ({
  by,
  operation: 'add flows',
  arguments: flows.map(({ switch: name, flow }) => ({ switch: name, flow: textOf(flow) })),
})

export const deleting = (by: string, name: string, filter: FlowFilter, strict?: FlowSpec): Operation => ({
  by,
  operation: 'delete flows',
  arguments: {
    switch: name,
    match: strict === undefined ? filterText(filter) : strictText(strict),
    strict: strict !== undefined,
  },
})

/** Names as they were given; the host is that of the VM where it is absent. */
export const attaching = (by: string, at: { vnic: string; wire: string; host?: string | undefined }): Operation => ({
  by,
  operation: 'attach',
  arguments: at,
})

export const detaching = (by: string, at: { vnic: string; host?: string | undefined }): Operation => ({
  by,
  operation: 'detach',
  arguments: at,
})

/** The host is that of the VM where it is absent. */
export const namingQemu = (
  by: string,
  at: { vm: string; qmp: string; incoming?: string; host: string | undefined },
): Operation => ({ by, operation: 'name hypervisor', arguments: at })

export const forgettingQemu = (by: string, at: { vm: string; host: string | undefined }): Operation => ({
  by,
  operation: 'forget hypervisor',
  arguments: at,
})

export const migrating = (by: string, request: MoveRequest): Operation => ({
  by,
  operation: 'migrate',
  arguments: { ...request, ...written(request), ...(request.hold && { hold: writeHold(request.hold) }) },
})

export const aborting = (by: string, migration: string): Operation => ({
  by,
  operation: 'abort migration',
  arguments: { migration },
})

export const activating = (by: string, migration: string): Operation => ({
  by,
  operation: 'activate migration',
  arguments: { migration },
})

export const draining = (by: string, { host, ...options }: DrainOptions & { host: string }): Operation => ({
  by,
  operation: 'drain host',
  arguments: { host, ...options, ...written(options) },
})

export const rebalancing = (by: string, { window, ...options }: DrainOptions & BalanceOptions): Operation => ({
  by,
  operation: 'rebalance',
  arguments: { ...options, ...written(options), ...(window !== undefined && { window: formatDuration(window) }) },
})

export const failingOver = (by: string, host: string, force: boolean): Operation => ({
  by,
  operation: 'fail host',
  arguments: { host, ...(force && { force }) },
})

export const undraining = (by: string, host: string): Operation => ({
  by,
  operation: 'undrain host',
  arguments: { host },
})

export const abortingRelocation = (by: string, relocation: string): Operation => ({
  by,
  operation: 'abort relocation',
  arguments: { relocation },
})

/** Flows whose time was up on their switch. */
export const expiring = (name: string, flow: FlowSpec): Operation => ({
  by: name,
  operation: 'flow removed',
  arguments: { switch: name, flow: textOf(flow) },
})

/** What is refused may be unprintable. */
function textOf(flow: FlowSpec): string {
  try {
    return printFlow(flow).trim()
  } catch (error) {
    return `(${errorText(error)})`
  }
}

function changeOf<T extends { name: string }>(
  kind: string,
  before: readonly T[] = [],
  now: readonly T[],
): Record<string, Record<string, string[]>> {
  const was = new Map(before.map((one) => [one.name, one]))
  const is = new Set(now.map(({ name }) => name))
  const added = now.filter(({ name }) => !was.has(name))
  const changed = now.filter((one) => {
    const old = was.get(one.name)
    return old !== undefined && keepUnchanged(old, one, DEPTH) !== old
  })
  const removed = before.filter(({ name }) => !is.has(name))
  const lists = { added: listed(added), changed: listed(changed), removed: listed(removed) }
  const said = Object.entries(lists).filter(([, names]) => names.length > 0)
  return said.length === 0 ? {} : { [kind]: Object.fromEntries(said) }
}

function listed(all: readonly { name: string }[]): string[] {
  const names = all.slice(0, LISTED).map(({ name }) => name)
  return all.length > LISTED ? [...names, `… and ${all.length - LISTED} more`] : names
}

function filterText({ table, match, cookie, cookieMask }: FlowFilter): string {
  const parts = [
    table === ALL_TABLES ? '' : `table=${table}`,
    cookieMask === 0n ? '' : `cookie=0x${cookie.toString(16)}/0x${cookieMask.toString(16)}`,
    printMatch(match),
  ]
  return parts.filter((part) => part !== '').join(',')
}

const strictText = ({ table, priority, match }: FlowSpec): string =>
  [`table=${table}`, `priority=${priority}`, printMatch(match)].filter((part) => part !== '').join(',')

const SPANS = ['pause', 'drain', 'redirect', 'deadline', 'activationTimeout'] as const

/** Times as people write them. */
const written = (request: Partial<Pick<MoveRequest, (typeof SPANS)[number]>>): Record<string, string> =>
  Object.fromEntries(
    SPANS.flatMap((key) => {
      const span = request[key]
      return span === undefined ? [] : [[key, formatDuration(span)]]
    }),
  )
