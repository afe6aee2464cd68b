import type { Endpoint } from '../runtime/endpoint.ts'
import { DIAL_SYNTAX, parseEndpoint } from '../runtime/endpoint.ts'
import type { TlsFiles } from '../runtime/sockets.ts'
import { dial } from '../runtime/sockets.ts'
import type { Channel } from '../runtime/transport.ts'
import { JsonObjects } from '../datapath/vswitchd/json-objects.ts'

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000

export interface Question {
  /** As tcp:HOST:PORT, ssl:HOST:PORT or unix:FILE. */
  target: string
  /** A name of ovs-appctl(8). */
  method: string
  words: readonly string[]
  /** For ssl: only. */
  tls?: TlsFiles | undefined
}

/**
 * Asks a running switch, as ovs-appctl does (JSON-RPC 1.0), and gives its text.
 * @throws Error where nobody answers, and what the switch itself says is wrong
 */
export async function askSwitch({ target, method, words, tls }: Question): Promise<string> {
  const endpoint = parseEndpoint(target)
  if (endpoint.passive) throw new Error(`'${target}' is a place to listen; expected ${DIAL_SYNTAX}`)
  if (endpoint.kind === 'ssl' && tls === undefined)
    throw new Error('ssl: needs --private-key, --certificate and --ca-cert')
  const channel = await dialled(endpoint, target, tls)
  try {
    const reply = answerOn(channel, target)
    channel.send(Buffer.from(JSON.stringify({ id: 0, method, params: words })))
    return await reply
  } finally {
    channel.onClose = () => {}
    channel.close()
  }
}

/** What the system refuses is told with the place, as of a file. */
async function dialled(endpoint: Endpoint, target: string, tls: TlsFiles | undefined): Promise<Channel> {
  try {
    return await dial(endpoint, tls, AbortSignal.timeout(PATIENCE))
  } catch (error) {
    if (error instanceof Error && !('path' in error)) Object.assign(error, { path: target })
    throw error
  }
}

function answerOn(channel: Channel, target: string): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const answer = new Promise<string>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${target} does not answer`)), PATIENCE)
    const objects = new JsonObjects()
    channel.onClose = () => reject(new Error(`${target} closed the connection: is a switch there?`))
    channel.onData = (bytes) => {
      try {
        for (const text of objects.push(bytes)) resolve(resultOf(text))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
  })
  return answer.finally(() => clearTimeout(timer))
}

/** @throws Error the switch's own complaint, and an answer of another kind */
function resultOf(text: string): string {
  const { result, error } = JSON.parse(text) as { result?: unknown; error?: unknown }
  if (typeof error === 'string') throw new Error(error.trim())
  if (typeof result !== 'string') throw new Error('an answer came that is none of a switch')
  return result
}
