// The HTTP API as the verbs offer it: where it listens, who may come in, and on which terms.

import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type { Api } from '../controller/api/api.ts'
import type { ServerOptions } from '../controller/api/server.ts'
import type { Log } from '../runtime/log.ts'
import { Certificates, metricsOfCertificates } from './certificates.ts'
import type { NamedFile, TlsFlags } from './tls-options.ts'
import type { TokenFile } from './token-file.ts'

export interface Address {
  host: string
  port: number
}

export interface ApiFlags extends TlsFlags {
  tokens?: string
  auth: boolean
  apiPrivateKey?: string
  apiCertificate?: string
  rateLimit: number
}

/** Generous: a script that adds flows one by one does not come near it. */
const REQUESTS_PER_SECOND = 1000

export const withApiOptions = (command: Command): Command =>
  command
    .option('--tokens <file>', 'who may use the API: the file that `signalbox token` keeps')
    .option('--no-auth', 'ask nobody who they are; on loopback only')
    .option('--api-private-key <file>', 'for HTTPS: the key of the API (PEM); --private-key where absent')
    .option('--api-certificate <file>', 'for HTTPS: its certificate (PEM); --certificate where absent')
    .option(
      '--rate-limit <number/s>',
      'requests a second of one token, or of one address without',
      rate,
      REQUESTS_PER_SECOND,
    )

/** The option that says where the API listens. */
export const addressOption = (flags: string): Option =>
  new Option(flags, 'where the API listens')
    .argParser(parseAddress)
    .default({ host: '127.0.0.1', port: 8080 }, '127.0.0.1:8080')

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`, or a port alone. */
function parseAddress(text: string): Address {
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65535)
    throw new InvalidArgumentError('expected an address and a port, as 127.0.0.1:8080')
  return { host: bracketed ?? (plain || '127.0.0.1'), port: Number(port) }
}

function rate(text: string): number {
  const [, count] = /^([1-9]\d{0,8})(?:\/s)?$/.exec(text) ?? []
  if (count === undefined) throw new InvalidArgumentError('expected a number of requests a second, as 100/s')
  return Number(count)
}

/**
 * On which terms the API is offered at `host`. On loopback nobody is asked who they are, unless there are tokens; elsewhere there must
 * be tokens, and TLS to keep them secret.
 * @throws Error that says what is missing
 */
export async function apiTerms(
  host: string,
  flags: ApiFlags,
  log: Log,
  control?: Certificates,
): Promise<ServerOptions> {
  const { tokens: file, auth } = flags
  const certificate = certificatesOfApi(flags, log, control)
  if (file !== undefined && !auth) throw new Error('--no-auth and --tokens contradict each other')
  if (!isLoopback(host)) refuseOpenDoors(host, flags, certificate !== undefined)
  if (file === undefined)
    log.info({}, `whoever can reach ${host} on this machine may do everything: nobody is asked for a token`)
  const tokens = file === undefined ? undefined : await tokenFile(file, log)
  return {
    log,
    rateLimit: { requestsPerSecond: flags.rateLimit, now: Date.now },
    hostNames: [host, hostname()],
    ...(certificate && { certificate }),
    ...metricsOf(certificate, control),
    ...(tokens && { access: { tokens: () => tokens.current(), now: Date.now } }),
  }
}

async function tokenFile(file: string, log: Log): Promise<TokenFile> {
  const { TokenFile: File } = await import('./token-file.ts')
  return new File(file, log)
}

function refuseOpenDoors(host: string, { tokens, auth }: ApiFlags, tls: boolean): void {
  if (!auth) throw new Error(`--no-auth is for loopback only, and ${host} is not; give --tokens and a certificate`)
  const missing = [
    ...(tokens === undefined ? ['--tokens FILE (`signalbox token add` makes it)'] : []),
    ...(tls ? [] : ['--api-private-key and --api-certificate (`signalbox pki` makes them)']),
  ]
  if (missing.length > 0)
    throw new Error(`${host} is not loopback: the API is offered there only with ${missing.join(', and ')}`)
}

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Those of its own, or the program's. @throws Error that names option and file */
function certificatesOfApi(
  { apiPrivateKey, apiCertificate, privateKey, certificate }: ApiFlags,
  log: Log,
  control: Certificates | undefined,
): Certificates | undefined {
  if (apiPrivateKey === undefined && apiCertificate === undefined && control !== undefined) return control
  const key = named('--api-private-key', apiPrivateKey) ?? named('--private-key', privateKey)
  const own = named('--api-certificate', apiCertificate) ?? named('--certificate', certificate)
  if (key === undefined && own === undefined) return undefined
  if (key === undefined || own === undefined) throw new Error('a private key and its certificate go together')
  return new Certificates({ key, certificate: own }, log)
}

/** Each file once. */
function metricsOf(api: Certificates | undefined, control: Certificates | undefined): Pick<ServerOptions, 'metrics'> {
  const all = new Set([api, control].filter((one) => one !== undefined))
  if (all.size === 0) return {}
  return { metrics: async () => metricsOfCertificates([...all].flatMap((one) => one.all())) }
}

const named = (option: string, file: string | undefined): NamedFile | undefined =>
  file === undefined ? undefined : [option, file]

/** Rejects with a sentence where the port is in use; the server is closed then. @returns its URL, the port chosen */
export async function listenApi(api: Api, { host, port }: Address): Promise<string> {
  try {
    await api.listen({ host, port })
  } catch (error) {
    await api.close()
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Error(`${host}:${port} is in use; port 0 takes any that is free`, { cause: error })
  }
  const bound = api.server.address() as { port: number }
  const scheme = 'addContext' in api.server ? 'https' : 'http'
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${bound.port}`
}
