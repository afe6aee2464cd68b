// An authority of one's own in a folder, named as ovs-pki(8) names its files: NAME-privkey.pem and NAME-cert.pem.

import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { AlternativeName, Credentials } from '../runtime/certificates.ts'
import { inColumns } from './columns.ts'

const AUTHORITY = { privateKey: 'cakey.pem', certificate: 'cacert.pem' }
const AUTHORITY_DAYS = 3650
const DAYS = 365
const OWNER_ONLY = 0o600
const ALL_MAY_READ = 0o644
const DAY = 86_400_000

interface Flags {
  dir: string
  days: number
  force?: true
}

interface CertificateFlags extends Flags {
  san?: AlternativeName[]
  server?: true
}

export function pkiCommand(): Command {
  const command = new Command('pki')
    .summary('an authority and its certificates, for ssl: and https')
    .description(
      'Makes the keys and certificates with which controller, hosts and clients know each other. A host may only speak for the host that its certificate names.',
    )
  for (const verb of [initCommand(), ...certificateCommands(), showCommand()]) command.addCommand(verb)
  return command
}

const withFolder = (command: Command): Command => command.option('--dir <folder>', 'where all of it is kept', 'pki')

const withMaking = (command: Command, days: number): Command =>
  withFolder(command)
    .option('--days <number>', 'how long it holds', wholeDays, days)
    .option('--force', 'put it in the place of one that is there')

function initCommand(): Command {
  return withMaking(new Command('init'), AUTHORITY_DAYS)
    .summary('make the authority')
    .action(async ({ dir, days, force }: Flags) => {
      const { makeAuthority } = await import('../runtime/certificates.ts')
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      const made = await makeAuthority('Signalbox authority', { now: Date.now(), days })
      write(dir, AUTHORITY, made, force)
    })
}

function certificateCommands(): Command[] {
  return [
    withAlternatives(new Command('controller'))
      .summary('make the certificate of a controller: of whom hosts and clients dial')
      .argument('<name>', 'its name, such as that of its machine')
      .action((name: string, flags: CertificateFlags) => issue(name, { ...flags, server: true })),
    withAlternatives(new Command('host'))
      .summary('make the certificate of a host: it may dial, and speak for itself')
      .argument('<name>', 'the host, as the topology names it')
      .option('--server', 'it may be dialled as well: for `switch run --listen pssl:`')
      .action(issue),
    withMaking(new Command('client'), DAYS)
      .summary('make the certificate of a client: it may dial')
      .argument('[name]', 'its name', 'client')
      .action((name: string, flags: Flags) => issue(name, flags)),
  ]
}

const withAlternatives = (command: Command): Command =>
  withMaking(command, DAYS).option(
    '--san <name...>',
    'other names and addresses at which it is dialled, as 192.0.2.10',
    (text: string, before: AlternativeName[] | undefined) => [...(before ?? []), alternative(text)],
  )

async function issue(name: string, { dir, days, force, san = [], server }: CertificateFlags): Promise<void> {
  if (!DNS_NAME.test(name)) throw new Error(`'${name}' can not be the name on a certificate`)
  const { makeCertificate } = await import('../runtime/certificates.ts')
  const subject = { name, alternatives: san, server: server ?? false }
  const made = await makeCertificate(authorityIn(dir), subject, { now: Date.now(), days })
  write(dir, { privateKey: `${name}-privkey.pem`, certificate: `${name}-cert.pem` }, made, force)
}

function authorityIn(dir: string): Credentials {
  const files = [join(dir, AUTHORITY.privateKey), join(dir, AUTHORITY.certificate)] as const
  const missing = files.find((file) => !existsSync(file))
  if (missing !== undefined) throw new Error(`${missing} is not there; \`signalbox pki init\` makes an authority`)
  return { privateKey: readFileSync(files[0], 'utf8'), certificate: readFileSync(files[1], 'utf8') }
}

function write(dir: string, names: typeof AUTHORITY, made: Credentials, force: true | undefined): void {
  const files = [
    [join(dir, names.privateKey), made.privateKey, OWNER_ONLY],
    [join(dir, names.certificate), made.certificate, ALL_MAY_READ],
  ] as const
  const there = files.find(([file]) => existsSync(file))
  if (there !== undefined && !force) throw new Error(`${there[0]} is there already; --force replaces it`)
  for (const [file, content, mode] of files) {
    // The mode of a file that is there would stay.
    rmSync(file, { force: true })
    writeFileSync(file, content, { mode, flag: 'wx' })
  }
  process.stdout.write(files.map(([file]) => `${file}\n`).join(''))
}

function showCommand(): Command {
  return withFolder(new Command('show'))
    .summary('list the certificates, and how long they hold')
    .option('--json', 'print them as JSON')
    .action(({ dir, json }: Flags & { json?: true }) => {
      if (!existsSync(dir)) throw new Error(`${dir} is not there; \`signalbox pki init\` makes an authority`)
      const found = readdirSync(dir)
        .filter((file) => file === AUTHORITY.certificate || file.endsWith('-cert.pem'))
        .map((file) => describe(dir, file))
      if (json) return void process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
      const rows = found.map(({ file, name, uses, expires, daysLeft }) => [
        file,
        name,
        uses,
        daysLeft < 0 ? `expired ${expires}` : `expires ${expires}, in ${daysLeft} days`,
      ])
      process.stdout.write(rows.length === 0 ? '' : inColumns(rows))
    })
}

function describe(dir: string, file: string) {
  const certificate = new X509Certificate(readFileSync(join(dir, file)))
  const until = Date.parse(certificate.validTo)
  return {
    file,
    name: certificate.subject.replace(/^CN=/, ''),
    uses: usesOf(certificate),
    names: certificate.subjectAltName ?? '',
    expires: new Date(until).toISOString().slice(0, 10),
    daysLeft: Math.floor((until - Date.now()) / DAY),
  }
}

const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1'

function usesOf({ ca, keyUsage }: X509Certificate): string {
  if (ca) return 'signs'
  // Node calls the extended key usage so.
  return (keyUsage as string[] | undefined)?.includes(SERVER_AUTHENTICATION) ? 'dials and is dialled' : 'dials'
}

/** Hosts of topologies are named so, too. */
const DNS_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

function alternative(text: string): AlternativeName {
  if (isIP(text) !== 0) return { type: 'ip', value: text }
  if (DNS_NAME.test(text)) return { type: 'dns', value: text }
  throw new InvalidArgumentError('expected a name or an address')
}

function wholeDays(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('expected a number of days')
  return Number(text)
}
