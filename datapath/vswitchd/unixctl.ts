// Questions to a running switch, as Open vSwitch's daemons take them (ovs-appctl(8), unixctl): JSON-RPC 1.0 on a stream, a
// method's name and words in, text out. So ovs-appctl itself can ask.

import type { Channel } from '../../runtime/transport.ts'
import { JsonObjects } from './json-objects.ts'
import { textOf } from '../../runtime/error-text.ts'

/** Answers in text. What it throws is the error's text. */
export interface UnixctlCommand {
  /** `[BRIDGE] FLOW`, for `list-commands`. */
  usage: string
  run: (words: readonly string[]) => string
}

/** Longest request; what is longer ends the connection. */
const LONGEST_REQUEST = 1 << 16

interface Request {
  id: unknown
  method: string
  params: string[]
}

/** Serves `commands` on the channel until it closes. */
export function serveUnixctl(channel: Channel, commands: ReadonlyMap<string, UnixctlCommand>): void {
  const objects = new JsonObjects(LONGEST_REQUEST)
  channel.onData = (bytes) => {
    try {
      for (const text of objects.push(bytes)) channel.send(Buffer.from(JSON.stringify(reply(text, commands))))
    } catch {
      channel.close()
    }
  }
}

/** @throws Error a text that is no request. */
function reply(text: string, commands: ReadonlyMap<string, UnixctlCommand>) {
  const { id, method, params } = requestOf(JSON.parse(text))
  const command = commands.get(method)
  if (command === undefined)
    return { id, result: null, error: `"${method}" is not a valid command (use "list-commands")\n` }
  try {
    return { id, result: command.run(params), error: null }
  } catch (error) {
    return { id, result: null, error: `${textOf(error)}\n` }
  }
}

function requestOf(value: unknown): Request {
  const { id, method, params } = value as Partial<Request>
  if (typeof method !== 'string' || !Array.isArray(params) || !params.every((word) => typeof word === 'string'))
    throw new Error('no request')
  return { id: id ?? null, method, params }
}
