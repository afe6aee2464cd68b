import { randomBytes } from 'node:crypto'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Role, Token } from '../controller/api/tokens.ts'
import { inColumns } from './columns.ts'

const ROLES = ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]
/** The prefix lets people, and our own log, know one when they see it. */
const PREFIX = 'sbx_'
const SECRET_BYTES = 32

const ROLE_HELP = `
Roles:
  viewer    may look
  operator  may change flows, move VMs, attach wires and let guests ping, too
  admin     may do everything`

interface Flags {
  tokens: string
}

interface AddFlags extends Flags {
  role: Role
  tenant?: string
  expires?: number
  json?: true
}

export function tokenCommand(): Command {
  const command = new Command('token')
    .summary('who may use the API')
    .description('Keeps the file that `--tokens` of `up` and `controller` names. It holds hashes, and no token.')
    .addHelpText('after', ROLE_HELP)
  for (const verb of [addCommand(), listCommand(), removeCommand()]) command.addCommand(verb)
  return command
}

const withFile = (command: Command): Command => command.requiredOption('--tokens <file>', 'the file')

function addCommand(): Command {
  return withFile(new Command('add'))
    .summary('make a token and print it, this once')
    .argument('<name>', 'whose it is')
    .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).makeOptionMandatory())
    .option('--tenant <tenant>', "for a viewer: it shows what is this tenant's, and nothing else")
    .option('--expires <time>', 'when it ends, as 30d or 12h; never where absent', span)
    .option('--json', 'print it as JSON')
    .action(async (name: string, { tokens: file, role, tenant, expires, json }: AddFlags) => {
      const { hashOf, parseTokens } = await import('../controller/api/tokens.ts')
      const { changeTokens } = await import('./token-file.ts')
      const token = `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`
      const entry: Token = {
        name,
        role,
        ...(tenant !== undefined && { tenant }),
        sha256: hashOf(token),
        ...(expires !== undefined && { expires: new Date(Date.now() + expires).toISOString() }),
      }
      changeTokens(file, (before) => {
        if (before.some((one) => one.name === name)) throw new Error(`${file}: '${name}' has a token already`)
        return parseTokens(JSON.stringify([...before, entry]))
      })
      const told = { name, role, tenant, expires: entry.expires, token }
      process.stdout.write(`${json ? JSON.stringify(told, null, 2) : token}\n`)
    })
}

function listCommand(): Command {
  return withFile(new Command('list'))
    .summary('who has a token')
    .option('--json', 'print them as JSON')
    .action(async ({ tokens: file, json }: Flags & { json?: true }) => {
      const { readTokens } = await import('./token-file.ts')
      const { hasExpired } = await import('../controller/api/tokens.ts')
      const tokens = readTokens(file)
      const rows = tokens.map((token) => [
        token.name,
        token.role,
        token.expires === undefined ? '' : `${hasExpired(token, Date.now()) ? 'expired' : 'expires'} ${token.expires}`,
        token.tenant === undefined ? '' : `tenant ${token.tenant}`,
      ])
      const known = tokens.map(({ name, role, tenant, expires }) => ({ name, role, tenant, expires }))
      process.stdout.write(json ? `${JSON.stringify(known, null, 2)}\n` : rows.length === 0 ? '' : inColumns(rows))
    })
}

function removeCommand(): Command {
  return withFile(new Command('remove'))
    .summary('make a token worthless, at once')
    .argument('<name>', 'whose it is')
    .action(async (name: string, { tokens: file }: Flags) => {
      const { changeTokens, readTokens } = await import('./token-file.ts')
      const known = readTokens(file).map((token) => token.name)
      if (!known.includes(name)) throw new Error(`${file}: nobody is named '${name}'; there is ${known.join(', ')}`)
      changeTokens(file, (before) => before.filter((token) => token.name !== name))
    })
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds. */
function span(text: string): number {
  const [, count, unit = ''] = /^([1-9]\d{0,4})([smhd])$/.exec(text) ?? []
  const factor = UNITS[unit]
  if (count === undefined || factor === undefined) throw new InvalidArgumentError('expected a time, as 30d, 12h or 15m')
  return Number(count) * factor
}
