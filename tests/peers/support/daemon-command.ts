// Commands for an Open vSwitch daemon over its control socket, as `ovs-appctl` gives them but without a process for each:
// JSON-RPC 1.0, one object each way (ovs-appctl(8), lib/unixctl.c).

import { createConnection } from 'node:net'

interface Reply {
  result: string | null
  error: string | null
}

/**
 * Resolves with what the daemon answers. Each command has a connection of its own, so that it is read in a later round of
 * the daemon's loop than the command before: what that one asked for has been carried out.
 * @throws Error where the daemon refuses
 */
export function daemonCommand(socketPath: string, command: string, ...words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = createConnection(socketPath, () => {
      socket.write(JSON.stringify({ id: 0, method: command, params: words }))
    })
    socket.setEncoding('utf8')
    socket.on('error', reject)
    socket.on('end', () => reject(new Error(`${command}: the daemon hung up`)))
    socket.on('data', (part: string) => {
      text += part
      const reply = parsed(text)
      if (reply === undefined) return
      socket.removeAllListeners('end')
      socket.end()
      if (reply.error === null) resolve(reply.result ?? '')
      else reject(new Error(`${command}: ${reply.error.trim()}`))
    })
  })
}

/** Undefined where the reply has not come in whole. */
function parsed(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply
  } catch {
    return undefined
  }
}
