import { Command } from 'commander'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { JSON_FORMS, readJson } from './json-argument.ts'

export const portCommand = (): Command =>
  new Command('port').summary("see and change the policy of a vNIC's port").addCommand(policyCommand())

const policyCommand = () =>
  clientCommand('policy')
    .summary('what one vNIC may do: rates, DSCP, security groups')
    .description(
      'Prints the policy of a vNIC as its file would have it, or makes it this one, whole: what is left out is as in a file that leaves it out.',
    )
    .argument('<vnic>', 'as web1:eth0')
    .argument('[policy]', JSON_FORMS)
    .action(async (vnic: string, policy: string | undefined, flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const path = `/ports/${encodeURIComponent(vnic)}/policy`
      const now = await (policy === undefined
        ? client.json<object>('GET', path)
        : client.json<object>('PUT', path, { body: await readJson(policy, 'policy', '{"egressRate": "10Mbps"}') }))
      const isChange = policy !== undefined
      print(flags, now, isChange ? `${vnic} has its policy on every switch` : JSON.stringify(now, undefined, 2))
    })
