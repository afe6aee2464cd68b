import type { TaggedPlan } from '../controller/topology-writes.ts'
import type { ChangeStatus, ConnectionsCut } from '../controller/model.ts'
import { CHANGE_HEADER } from '../controller/model.ts'
import type { Plan } from '../controller/plan.ts'
import { loadTopology } from '../topologies/load.ts'
import { topologyToJson } from '../topologies/write.ts'
import { ChangeProgress } from './change-progress.ts'
import { ApiClient, clientCommand, print, Refused, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'
import { reportFailure } from './failure.ts'

type Flags = ClientFlags & { plan?: true; asPlanned?: string }

/** What was planned is not what would be done any more. */
const EXIT_OUTDATED = 1
const PRECONDITION_FAILED = 412

export const applyCommand = () =>
  clientCommand('apply')
    .summary('make a running network what a topology file says, or show what that would change')
    .description(
      'Makes a running network what a topology file says: what it shows before, and nothing else. Where the topology that runs has changed meanwhile nothing is done, and the exit code is 1.',
    )
    .argument('<file>', 'a topology, or a stock shape as leaf-spine,2,4')
    .option('--plan', 'only show what would change: objects, what each switch is told, what guests may notice')
    .option('--as-planned <tag>', 'do what --plan has shown, whose last line has the tag, or nothing')
    .action(apply)

async function apply(file: string, flags: Flags): Promise<void> {
  const body = topologyToJson(await loadTopology(file))
  const client = new ApiClient(flags)
  const plan = await client.json<TaggedPlan>('POST', '/topology/plan', { body })
  if (flags.plan) return print(flags, plan, `${wordsOf(plan)}\n\nplan ${plan.tag}`)
  const speaks = !flags.quiet && !flags.json
  const { asPlanned = plan.tag } = flags
  if (speaks && !plan.unchanged && asPlanned === plan.tag) print(flags, plan, `${wordsOf(plan)}\n`)
  const change = client.answer('PUT', '/topology', { body, ifMatch: asPlanned })
  let number: number
  try {
    const { headers } = await new ChangeProgress(client, process.stderr, speaks, asPlanned).during(change)
    number = Number(headers[CHANGE_HEADER])
  } catch (error) {
    if (!(error instanceof Refused) || error.problem.status !== PRECONDITION_FAILED) throw error
    reportFailure(new Error(`nothing was changed: ${error.message}`))
    process.exitCode = EXIT_OUTDATED
    return
  }
  const last = await client.json<ChangeStatus[]>('GET', '/topology/change')
  // Somebody else's may have come since.
  const done = last.find((one) => one.number === number)
  const cuts = done?.connections === undefined ? [] : cutsOf(done.connections, 'were')
  const words = ['Done: every switch that is connected has confirmed it', ...cuts].join('; ')
  print(flags, { ...plan, change: done }, plan.unchanged ? 'Nothing changes.' : `${words}.`)
}

function wordsOf({ unchanged, objects, switches, notices, connections }: TaggedPlan): string {
  if (unchanged) return 'Nothing changes.'
  const parts = [
    objects.map(
      ({ kind, name, change, parts: which }) =>
        `${SIGNS[change]} ${kind} ${name}${which.length > 0 ? `: ${which.join(', ')}` : ''}`,
    ),
    switches.length === 0 ? [] : tableOf(switches).split('\n'),
    [...notices, ...cutsOf(connections, 'are')].map((notice) => `! ${notice}`),
  ]
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n').trimEnd())
    .join('\n\n')
}

function cutsOf({ cut, unknown }: ConnectionsCut, are: 'are' | 'were'): string[] {
  const were = cut === 1 ? { are: 'is', were: 'was' }[are] : are
  return [
    ...(cut === 0 ? [] : [`${cut} ${cut === 1 ? 'connection' : 'connections'} ${were} cut`]),
    ...(unknown.length === 0 ? [] : [`how many connections ${are} cut at ${unknown.join(', ')} is not known`]),
  ]
}

const SIGNS = { added: '+', changed: '~', removed: '-' } as const

const tableOf = (switches: Plan['switches']): string =>
  inColumns([
    ['SWITCH', 'FLOWS', 'PORTS', 'METERS', ''],
    ...switches.map(({ switch: name, connected, flows, ports, meters }) => [
      name,
      ...[flows, ports, meters].map(({ added, changed, removed }) => `+${added} ~${changed} -${removed}`),
      connected ? '' : 'not connected: follows when it returns',
    ]),
  ])
