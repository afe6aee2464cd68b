// Open vSwitch's `ovs-ofctl` as the other side of the OpenFlow wire: what it writes for a flow in text, and what it reads in bytes.

import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const VERSION = ['-O', 'OpenFlow13']
const ENVIRONMENT = { ...process.env, LC_ALL: 'C' }

const MessageType = {
  Hello: 0,
  EchoRequest: 2,
  EchoReply: 3,
  FlowMod: 14,
  BarrierRequest: 20,
  BarrierReply: 21,
} as const
const HELLO = Uint8Array.of(4, MessageType.Hello, 0, 8, 0, 0, 0, 1)
const HEADER_SIZE = 8

/** The flow mods, whole messages, that `ovs-ofctl add-flows` sends for `flows`. */
export async function flowModsFor(flows: readonly string[]): Promise<Uint8Array[]> {
  const flowMods: Uint8Array[] = []
  const server = createServer((socket) => actAsSwitch(socket, flowMods))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    const { port } = server.address() as AddressInfo
    await withFile(flows.join('\n') + '\n', (file) =>
      run('ovs-ofctl', [...VERSION, '--no-names', 'add-flows', `tcp:127.0.0.1:${port}`, file], { env: ENVIRONMENT }),
    )
  } finally {
    server.close()
  }
  return flowMods
}

/** Says hello and answers barriers and echoes; keeps the flow mods. */
function actAsSwitch(socket: Socket, flowMods: Uint8Array[]): void {
  let held: Buffer = Buffer.alloc(0)
  socket.write(HELLO)
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes])
    while (held.length >= HEADER_SIZE && held.length >= held.readUInt16BE(2)) {
      const message = Buffer.from(held.subarray(0, held.readUInt16BE(2)))
      held = held.subarray(message.length)
      const type = message[1]
      if (type === MessageType.FlowMod) flowMods.push(message)
      if (type === MessageType.BarrierRequest || type === MessageType.EchoRequest) {
        message[1] = type + 1
        socket.write(message)
      }
    }
  })
}

/** What `ovs-ofctl ofp-parse` prints of each of `messages`; what it can not decode has `***` in it. */
export async function printed(messages: readonly Uint8Array[]): Promise<string[]> {
  const text = await withFile(Buffer.concat(messages), async (file) => {
    const { stdout } = await run('ovs-ofctl', ['-voff', '--no-names', 'ofp-parse', file], {
      env: ENVIRONMENT,
      maxBuffer: 1 << 27,
    })
    return stdout
  })
  return text.split(/^(?=OFPT_)/m).map((one) => one.trim())
}

/** What `ovs-ofctl parse-actions` makes of lists of actions: `actions=…`, or the name of the error. */
export const actionsRead = (lists: readonly Uint8Array[]): Promise<string[]> => parsed('parse-actions', lists)

export const instructionsRead = (lists: readonly Uint8Array[]): Promise<string[]> => parsed('parse-instructions', lists)

async function parsed(command: string, lists: readonly Uint8Array[]): Promise<string[]> {
  const input = lists.map((bytes) => Buffer.from(bytes).toString('hex')).join('\n') + '\n'
  const output = await fed(['-voff', command, 'OpenFlow13'], input)
  return output
    .split('\n')
    .filter((line) => line.startsWith('actions=') || line.startsWith('bad '))
    .map((line) => line.replace(/^bad OpenFlow13 \w+: /, ''))
}

function fed(args: string[], input: string): Promise<string> {
  return new Promise((finished, failed) => {
    const child = spawn('ovs-ofctl', args, { env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'ignore'] })
    const pieces: Buffer[] = []
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
    child.on('error', failed)
    child.on('close', () => finished(Buffer.concat(pieces).toString()))
    child.stdin.end(input)
  })
}

async function withFile<T>(content: string | Uint8Array, use: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-openflow-'))
  const file = join(directory, 'content')
  try {
    writeFileSync(file, content)
    return await use(file)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
