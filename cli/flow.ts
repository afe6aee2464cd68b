import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { ApiClient, clientCommand, print, Refused, type ClientFlags } from './client.ts'

const SWITCH = 'h1/br-int, or h1 for its integration bridge'
const MATCH = 'which flows, as ovs-ofctl filters: table=0,tcp,tp_dst=80; all where absent'

interface AddReply {
  added: number
  flows: string[]
}

export function flowCommand(): Command {
  return new Command('flow')
    .summary('add, delete and show flows of a running network')
    .description("Flows of a running network, in the syntax of ovs-ofctl. Tables 0 to 9 are the user's.")
    .addCommand(addCommand())
    .addCommand(addAllCommand())
    .addCommand(deleteCommand())
    .addCommand(dumpCommand())
}

const addCommand = () =>
  clientCommand('add')
    .summary('add one flow')
    .argument('<switch>', SWITCH)
    .argument('<flow>', 'as table=0,priority=100,tcp,tp_dst=80,actions=drop')
    .action(async (name: string, flow: string, flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const reply = await client.json<AddReply>('POST', `${await client.switchPath(name)}/flows`, { body: { flow } })
      print(flags, reply, `added: ${reply.flows.join('\n')}`)
    })

const addAllCommand = () =>
  clientCommand('add-all')
    .summary('add the flows in a file, all or none')
    .argument('<switch>', SWITCH)
    .argument('<file>', "one flow a line, # begins a comment; '-' reads standard input")
    .action(async (name: string, file: string, flags: ClientFlags) => {
      const body = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8')
      const client = new ApiClient(flags)
      const path = `${await client.switchPath(name)}/flows`
      const reply = await client.json<AddReply>('POST', path, { body }).catch((error: unknown) => {
        throw inFile(error, file === '-' ? 'standard input' : file)
      })
      print(flags, reply, `added ${inNumber(reply.added)}`)
    })

const deleteCommand = () =>
  clientCommand('del')
    .summary('delete flows of users')
    .argument('<switch>', SWITCH)
    .argument('[match]', MATCH)
    .option('--strict', 'only the very flow that table, priority and match identify')
    .action(async (name: string, match: string | undefined, flags: ClientFlags & { strict?: true }) => {
      const client = new ApiClient(flags)
      const query = { match: match ?? '', ...(flags.strict && { strict: 'true' }) }
      const path = `${await client.switchPath(name)}/flows`
      const reply = await client.json<{ deleted: number }>('DELETE', path, { query })
      print(flags, reply, `deleted ${inNumber(reply.deleted)}`)
    })

const dumpCommand = () =>
  clientCommand('dump')
    .summary('show flows with their counters, as ovs-ofctl dump-flows does')
    .argument('<switch>', SWITCH)
    .argument('[match]', MATCH)
    .action(async (name: string, match: string | undefined, flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const path = `${await client.switchPath(name)}/flows`
      const query = { match: match ?? '' }
      if (flags.json) print(flags, await client.json('GET', path, { query }), '')
      else print(flags, undefined, await client.text('GET', path, { query, accept: 'text/plain' }))
    })

const inNumber = (flows: number) => `${flows} ${flows === 1 ? 'flow' : 'flows'}`

/** The API's complaint about lines of a file, each with its place. */
function inFile(error: unknown, file: string): unknown {
  if (!(error instanceof Refused)) return error
  const mistakes = error.problem.errors ?? []
  if (mistakes.length === 0 || mistakes.some(({ line }) => line === undefined)) return error
  const told = mistakes.map(({ line, column, detail }) => {
    const place = column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`
    return `${place}: ${detail.replace(/^line \d+, (column \d+: )?/, '')}`
  })
  return new Error(told.join('\n'))
}
