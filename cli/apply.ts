import type { Plan } from '../controller/plan.ts'
import { loadTopology } from '../topologies/load.ts'
import { topologyToJson } from '../topologies/write.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

export const applyCommand = () =>
  clientCommand('apply')
    .summary('make a running network what a topology file says, or show what that would change')
    .argument('<file>', 'a topology, or a stock shape as leaf-spine,2,4')
    .option('--plan', 'only show what would change: objects, what each switch is told, what guests may notice')
    .action(async (file: string, flags: ClientFlags & { plan?: true }) => {
      const body = topologyToJson(await loadTopology(file))
      const client = new ApiClient(flags)
      const plan = await client.json<Plan>('POST', '/topology/plan', { body })
      if (flags.plan) return print(flags, plan, wordsOf(plan))
      await client.json('PUT', '/topology', { body })
      print(
        flags,
        plan,
        plan.unchanged
          ? 'Nothing changes.'
          : `${wordsOf(plan)}\n\nDone: every switch that is connected has confirmed it.`,
      )
    })

function wordsOf({ unchanged, objects, switches, notices }: Plan): string {
  if (unchanged) return 'Nothing changes.'
  const parts = [
    objects.map(
      ({ kind, name, change, parts: which }) =>
        `${SIGNS[change]} ${kind} ${name}${which.length > 0 ? `: ${which.join(', ')}` : ''}`,
    ),
    switches.length === 0 ? [] : tableOf(switches).split('\n'),
    notices.map((notice) => `! ${notice}`),
  ]
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n').trimEnd())
    .join('\n\n')
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
