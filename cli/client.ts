// What the verbs that talk to a running `signalbox up` or `signalbox controller` share: where it is, how to ask it, and what to make of a refusal.

import { open, rm } from 'node:fs/promises'
import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { Command, InvalidArgumentError } from 'commander'
import type { Problem } from '../controller/api/errors.ts'
import { readCertificate } from './tls-options.ts'

const DEFAULT_API = 'http://127.0.0.1:8080'

export interface ClientFlags {
  api: URL
  caCert?: string
  json?: true
  quiet?: true
}

/** A verb that asks the API. */
export const clientCommand = (name: string): Command =>
  new Command(name)
    .option(
      '--api <url>',
      'where the API of `signalbox up` or `signalbox controller` listens',
      apiUrl,
      new URL(DEFAULT_API),
    )
    .option('--ca-cert <file>', 'for https: the certificate of whoever signed that of the API (PEM)')
    .option('--json', 'print the answer as JSON')
    .option('--quiet', 'print nothing; only the exit code speaks')

function apiUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new InvalidArgumentError(`expected a URL, as ${DEFAULT_API}`)
  return url
}

/** Asks for what only an emulated network can do. @throws Refused, Error where there is none */
export async function askEmulation<T>(flags: ClientFlags, path: string, body?: object): Promise<T> {
  try {
    return await new ApiClient(flags).json<T>('POST', path, body && { body })
  } catch (error) {
    if (error instanceof Refused && error.problem.status === 404 && error.message.startsWith('no route '))
      throw new Error('this controller has no emulated network; `signalbox up` has', { cause: error })
    throw error
  }
}

/** The API said no. */
export class Refused extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.name = 'Refused'
    this.problem = problem
  }
}

interface Wish {
  /** Sent as JSON, or as it is where it is text. */
  body?: object | string
  query?: Record<string, string>
  accept?: string
  /** The tag of what is to be there still. */
  ifMatch?: string
  /** Only where there is none yet. */
  ifNew?: true
}

export class ApiClient {
  readonly #base: URL
  readonly #authorities: Buffer | undefined
  readonly #token: string | undefined

  /** The token is that of the environment's SIGNALBOX_TOKEN. */
  constructor({ api, caCert }: ClientFlags) {
    this.#base = api
    this.#authorities = caCert === undefined ? undefined : readCertificate(['--ca-cert', caCert])
    this.#token = tokenFor(api)
  }

  /**
   * The answer's JSON.
   * @throws Refused, Error where nobody answers
   */
  async json<T>(method: string, path: string, wish: Wish = {}): Promise<T> {
    return JSON.parse(await this.text(method, path, wish)) as T
  }

  /** The answer as it came. @throws Refused, Error where nobody answers */
  async text(method: string, path: string, wish: Wish = {}): Promise<string> {
    return (await this.answer(method, path, wish)).body
  }

  /** The answer as it came, with its headers. @throws Refused, Error where nobody answers */
  async answer(method: string, path: string, wish: Wish = {}): Promise<{ body: string; headers: IncomingHttpHeaders }> {
    const response = await this.#ask(method, path, wish)
    const body = await text(response)
    if (response.statusCode === 401 && this.#token === undefined)
      throw new Error(`${this.#base.origin} asks for a token: put it into the environment as SIGNALBOX_TOKEN`)
    if (response.statusCode! >= 400) throw new Refused(problemOf(response, body))
    return { body, headers: response.headers }
  }

  /** The answer, as bytes, in a new file. @throws Refused, Error where nobody answers, or the file is there already */
  async save(method: string, path: string, file: string): Promise<void> {
    const handle = await open(file, 'wx')
    try {
      const response = await this.#ask(method, path, {})
      if (response.statusCode! >= 400) throw new Refused(problemOf(response, await text(response)))
      await pipeline(response, handle.createWriteStream())
    } catch (error) {
      await handle.close().catch(() => {})
      await rm(file, { force: true })
      throw error
    }
  }

  /** The path of the switch that a user means by `h1/br-int`, or by `h1` for a host's integration bridge. */
  async switchPath(name: string): Promise<string> {
    const [host = '', ...bridge] = name.split('/')
    if (bridge.length > 0) return `/switches/${encodeURIComponent(host)}/${encodeURIComponent(bridge.join('/'))}`
    const { switches } = await this.json<{ switches: string[] }>('GET', `/hosts/${encodeURIComponent(host)}`)
    return `/switches/${switches[0]}`
  }

  #ask(method: string, path: string, wish: Wish): Promise<IncomingMessage> {
    return this.#exchange(method, path, wish).catch((error: NodeJS.ErrnoException) => {
      throw new Error(unreachable(this.#base, error))
    })
  }

  #exchange(
    method: string,
    path: string,
    { body, query = {}, accept, ifMatch, ifNew }: Wish,
  ): Promise<IncomingMessage> {
    const url = new URL(`${this.#base.pathname.replace(/\/$/, '')}${path}`, this.#base)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
    const content = typeof body === 'object' ? JSON.stringify(body) : body
    const type = typeof body === 'object' ? 'application/json' : 'text/plain'
    const headers = {
      accept: accept ?? 'application/json',
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...(ifMatch !== undefined && { 'if-match': `"${ifMatch}"` }),
      ...(ifNew && { 'if-none-match': '*' }),
      ...(content !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(content) }),
    }
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    return new Promise((resolve, reject) => {
      send(url, { method, headers, ca: this.#authorities }, resolve).on('error', reject).end(content)
    })
  }
}

/** @throws Error where whoever listens in on the way could read it */
function tokenFor({ protocol, hostname, href }: URL): string | undefined {
  const token = process.env['SIGNALBOX_TOKEN']
  if (token === undefined || token === '') return undefined
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('SIGNALBOX_TOKEN holds what no token does: blanks or line ends')
  if (protocol === 'https:' || /^(localhost|127\..*|\[::1\])$/.test(hostname)) return token
  throw new Error(`${href} is not https: SIGNALBOX_TOKEN would cross the network for all to read`)
}

function unreachable(base: URL, { code, message }: NodeJS.ErrnoException): string {
  const where = base.href.replace(/\/$/, '')
  if (code === 'ECONNREFUSED')
    return `nobody listens at ${where}; is \`signalbox up\` or \`signalbox controller\` running?`
  if (code === 'ENOTFOUND') return `there is no host '${base.hostname}'`
  if (code !== undefined && /CERT|SIGNATURE|ISSUER/.test(code))
    return `${where}: ${message}; --ca-cert names the authority`
  if (base.protocol === 'https:' && (code === 'EPROTO' || code?.startsWith('ERR_SSL_')))
    return `${where}: TLS did not come about; does it offer http:// instead? (${tlsReason({ code, message })})`
  if (code === 'ECONNRESET') return `${where} hung up`
  return `${where}: ${message}`
}

/** OpenSSL's own words stand between a code and the place in its source. */
const tlsReason = ({ code, message }: { code: string; message: string }): string =>
  /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? code

function problemOf({ headers, statusCode = 0 }: IncomingMessage, body: string): Problem {
  if (headers['content-type']?.startsWith('application/problem+json')) return JSON.parse(body) as Problem
  const detail = `the API answered ${statusCode}; is it Signalbox that listens there?`
  return { type: 'about:blank', title: 'Not an answer of Signalbox', status: statusCode, detail }
}

/** Prints the answer as JSON, or in words, or not at all. */
export function print(flags: ClientFlags, answer: unknown, words: string): void {
  if (flags.quiet) return
  const shown = flags.json ? JSON.stringify(answer, null, 2) : words.replace(/\n$/, '')
  if (shown !== '') process.stdout.write(`${shown}\n`)
}
