// `host drain`, `fail` and `undrain`, and `rebalance`: VMs go elsewhere together.

import { InvalidArgumentError, Option, type Command } from 'commander'
import type { RelocatedVm, RelocationStatus } from '../controller/model.ts'
import { BALANCED_BY } from '../controller/model.ts'
import type { BalancePlan } from '../controller/placement/relocations.ts'
import type { MovePlan } from '../controller/placement/plan.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'
import { wholeBetween } from './numbers.ts'

const EXIT_FAILED = 1
const MOST_PARALLEL = 1000
const GLANCE_MS = 300

type MoveFlags = ClientFlags & {
  plan?: true
  parallel?: number
  pause?: string
  drain?: string
  by?: string
  window?: string
}

export const drainCommand = (): Command =>
  withMoveOptions(clientCommand('drain'))
    .summary('close a host to new VMs, and move its VMs to the least busy others')
    .description(
      'Closes a host to new VMs, and moves its VMs to the least busy hosts that can have them (fewest vNICs; capacity, anti-affinity, and what the VM needs there). Waits until that has ended; Ctrl-C leaves it to the controller. Exit code 1 where a VM could not be moved.',
    )
    .argument('<host>')
    .action((host: string, flags: MoveFlags) => moveMany(flags, `/hosts/${encodeURIComponent(host)}/drain`))

export const rebalanceCommand = (): Command =>
  withMoveOptions(clientCommand('rebalance'))
    .addOption(new Option('--by <load>', 'what is to be alike at all hosts').choices(BALANCED_BY).default('vnics'))
    .option('--window <time>', 'how long traffic is counted before (default: 5s)')
    .summary('move VMs from busy hosts to less busy ones')
    .description(
      'Moves VMs from hosts with many vNICs (or VMs, or much traffic) to hosts with few, as long as that makes two hosts more alike and breaks no capacity and no anti-affinity, on the way neither. Waits until that has ended; Ctrl-C leaves it to the controller. Exit code 1 where a VM could not be moved.',
    )
    .action((flags: MoveFlags) => moveMany(flags, '/rebalance'))

const withMoveOptions = (command: Command): Command =>
  command
    .option('--plan', 'only show which VM would go where')
    .addOption(parallelOption())
    .option('--pause <time>', 'how long each guest stands still', '30ms')
    .option(
      '--drain <time>',
      "how long frames may be on their way between hosts; the controller's --drain where absent",
    )

async function moveMany(flags: MoveFlags, path: string): Promise<void> {
  const client = new ApiClient(flags)
  const { parallel, pause, drain, by, window } = flags
  const balance = { ...(by !== undefined && { by }), ...(window !== undefined && { window }) }
  if (flags.plan) return showPlan(flags, await client.json<ShownPlan>('GET', path, { query: balance }))
  const body = { pause, ...balance, ...(parallel !== undefined && { parallel }), ...(drain !== undefined && { drain }) }
  const { id } = await client.json<RelocationStatus>('POST', path, { body })
  await report(client, flags, id)
}

export const undrainCommand = (): Command =>
  clientCommand('undrain')
    .summary('open a host to VMs again, after a drain or a failure; a drain that is under way is aborted')
    .argument('<host>')
    .action(async (host: string, flags: ClientFlags) => {
      const path = `/hosts/${encodeURIComponent(host)}/undrain`
      print(flags, await new ApiClient(flags).json<object>('POST', path), `${host} is open to VMs`)
    })

export const failCommand = (): Command =>
  clientCommand('fail')
    .summary('say that a host is gone: its VMs begin anew at others')
    .description(
      'Says that a host is gone: its VMs begin anew at the least busy hosts that can have them, with their whole policy and without their connections. Should the host return, they have no ports there, and it takes no VMs in until `host undrain`. Who says so answers for it that the host is dead: one that has only lost the controller goes on with what it has until it is back.',
    )
    .argument('<host>')
    .option('--force', 'also where it is connected; its VMs are cut off there first')
    .action(async (host: string, flags: ClientFlags & { force?: true }) => {
      const client = new ApiClient(flags)
      const body = flags.force ? { force: true } : {}
      const { id } = await client.json<RelocationStatus>('POST', `/hosts/${encodeURIComponent(host)}/fail`, { body })
      await report(client, flags, id)
    })

const parallelOption = () =>
  new Option('--parallel <vms>', 'VMs that move at the same time, at most (default: 4)').argParser((text) => {
    const number = wholeBetween(text, 1, MOST_PARALLEL)
    if (number === undefined) throw new InvalidArgumentError(`expected 1 to ${MOST_PARALLEL}`)
    return number
  })

type ShownPlan = MovePlan & Partial<Pick<BalancePlan, 'by' | 'loads'>>

function showPlan(flags: ClientFlags, plan: ShownPlan): void {
  const rows = plan.moves.map(({ vm, from, to }) => [vm, from, to])
  const stuck = plan.stuck.map(({ vm, from, problem }) => `${vm} stays at ${from}: ${problem}`)
  const table = rows.length === 0 ? 'nothing is to be moved' : inColumns([['VM', 'FROM', 'TO'], ...rows])
  const loads = (plan.loads ?? []).map(({ host, before, after }) => [host, String(before), String(after)])
  const unit = plan.by === 'traffic' ? 'BITS/S' : plan.by === 'vms' ? 'VMS' : 'VNICS'
  const busy = loads.length === 0 ? [] : ['', inColumns([['HOST', `${unit} NOW`, 'THEN'], ...loads]).replace(/\n$/, '')]
  print(flags, plan, [table.replace(/\n$/, ''), ...stuck, ...busy].join('\n'))
  if (stuck.length > 0) process.exitCode = EXIT_FAILED
}

/** Waits for its end, and says what came of it. */
async function report(client: ApiClient, flags: ClientFlags, id: string): Promise<void> {
  const path = `/relocations/${id}`
  const stopGlancing = process.stderr.isTTY && !flags.quiet ? glance(client, path) : () => {}
  const ended = await client.json<RelocationStatus>('GET', path, { query: { wait: 'true' } }).finally(stopGlancing)
  print(flags, ended, sentences(ended).join('\n'))
  if (ended.state !== 'done') process.exitCode = EXIT_FAILED
}

/** A line on a terminal: how far it is. */
function glance(client: ApiClient, path: string): () => void {
  const look = async () => {
    const { moves } = await client.json<RelocationStatus>('GET', path)
    const count = (state: string) => moves.filter((move) => move.state === state).length
    const waiting = moves.find(({ state, problem }) => state === 'moving' && problem !== undefined)
    const why = waiting === undefined ? '' : `; ${waiting.vm} waits: ${waiting.problem}`
    if (timer !== undefined)
      process.stderr.write(`\r\x1b[K${count('done')} of ${moves.length} VMs moved, ${count('moving')} are moving${why}`)
  }
  let timer: NodeJS.Timeout | undefined = setInterval(() => void look().catch(() => {}), GLANCE_MS)
  return () => {
    clearInterval(timer)
    timer = undefined
    process.stderr.write('\r\x1b[K')
  }
}

function sentences({ kind, host, state, moves }: RelocationStatus): string[] {
  const left = moves.filter((move) => move.state !== 'done')
  const begun = moves.filter(({ restartedAt }) => restartedAt !== undefined).length
  const how =
    kind === 'failover'
      ? `${begun} of ${moves.length} VMs have begun anew elsewhere, without their connections`
      : `${moves.length - left.length} of ${moves.length} VMs moved`
  return [`${[kind, host].filter(Boolean).join(' ')}: ${state}; ${how}`, ...left.map(whatIsLeft)]
}

function whatIsLeft({ vm, from, at = from, problem = 'no reason is known' }: RelocatedVm): string {
  return `${vm} ${at === from ? 'stays' : 'is'} at ${at}: ${problem}`
}
