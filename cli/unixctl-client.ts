import { parseEndpoint } from '../runtime/endpoint.ts'
import { dial } from '../runtime/sockets.ts'

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000

/**
 * Asks a running switch, as ovs-appctl does (JSON-RPC 1.0), and gives its text.
 * @throws Error where nobody answers, and what the switch itself says is wrong
 */
export async function askSwitch(target: string, method: string, words: readonly string[]): Promise<string> {
  const endpoint = parseEndpoint(target)
  const channel = await dial(endpoint, undefined, AbortSignal.timeout(PATIENCE))
  try {
    return await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${target} does not answer`)), PATIENCE)
      let text = ''
      channel.onData = (bytes) => {
        text += Buffer.from(bytes).toString('utf8')
        const reply = parsed(text)
        if (reply === undefined) return
        clearTimeout(timer)
        if (reply.error === null) resolve(reply.result ?? '')
        else reject(new Error(reply.error.trim()))
      }
      channel.onClose = () => reject(new Error(`${target} closed the connection: is a switch there?`))
      channel.send(Buffer.from(JSON.stringify({ id: 0, method, params: words })))
    })
  } finally {
    channel.onClose = () => {}
    channel.close()
  }
}

interface Reply {
  result: string | null
  error: string | null
}

/** Undefined while part of it is missing. */
function parsed(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply
  } catch {
    return undefined
  }
}
