import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { Command } from 'commander'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'

export const portCommand = (): Command =>
  new Command('port').summary("see and change the policy of a vNIC's port").addCommand(policyCommand())

const policyCommand = () =>
  clientCommand('policy')
    .summary('what one vNIC may do: rates, DSCP, security groups')
    .description(
      'Prints the policy of a vNIC as its file would have it, or makes it this one, whole: what is left out is as in a file that leaves it out.',
    )
    .argument('<vnic>', 'as web1:eth0')
    .argument('[policy]', 'as JSON; - for standard input, @FILE for a file')
    .action(async (vnic: string, policy: string | undefined, flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const path = `/ports/${encodeURIComponent(vnic)}/policy`
      const now = await (policy === undefined
        ? client.json<object>('GET', path)
        : client.json<object>('PUT', path, { body: await readPolicy(policy) }))
      const isChange = policy !== undefined
      print(flags, now, isChange ? `${vnic} has its policy on every switch` : JSON.stringify(now, undefined, 2))
    })

/** @throws Error that says where it is not JSON */
async function readPolicy(words: string): Promise<object> {
  const text =
    words === '-' ? await textOf(process.stdin) : words.startsWith('@') ? await readFile(words.slice(1), 'utf8') : words
  try {
    return JSON.parse(text) as object
  } catch (error) {
    throw new Error(
      `the policy is not JSON (${(error as Error).message}); expected {"egressRate": "10Mbps"} or alike`,
      {
        cause: error,
      },
    )
  }
}
