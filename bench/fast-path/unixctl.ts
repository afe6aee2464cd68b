import { connect } from 'node:net'

interface Reply {
  result: string | null
  error: string | null
}

/** What a daemon of Open vSwitch answers to a command of `ovs-appctl`, asked over its own socket: no process is started for it. */
export function askDaemon(socket: string, command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const connection = connect(socket, () => connection.write(JSON.stringify({ id: 0, method: command, params: args })))
    connection.setEncoding('utf8')
    connection.on('error', reject)
    connection.on('close', () => reject(new Error(`${command}: no answer`)))
    connection.on('data', (chunk: string) => {
      text += chunk
      const reply = wholeReply(text)
      if (reply === undefined) return
      if (reply.error === null) resolve(reply.result ?? '')
      else reject(new Error(`${command}: ${reply.error.trim()}`))
      connection.destroy()
    })
  })
}

/** Undefined where there is more to come. */
function wholeReply(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply
  } catch {
    return undefined
  }
}
