// Stands between ovs-ofctl and a bridge of a real Open vSwitch, and writes down every OpenFlow message that passes.

import type { Socket } from 'node:net'
import { createConnection, createServer } from 'node:net'
import { MessageReader } from '../../../protocols/openflow/framing.ts'

export interface OpenFlowRelay {
  /** Where ovs-ofctl finds it: `unix:…`. */
  readonly target: string
  /** What has passed since this was last asked, both ways, in order. */
  taken(): Uint8Array[]
  /** Waits for a message like this. */
  passes(like: (message: Uint8Array) => boolean): Promise<void>
  close(): void
}

interface Watcher {
  like: (message: Uint8Array) => boolean
  resolve: () => void
}

/** Listens on the Unix socket `path` for those who want to speak with the one at `bridge`. */
export async function relay(path: string, bridge: string): Promise<OpenFlowRelay> {
  const passed: Uint8Array[] = []
  let watchers: Watcher[] = []
  const pass = (message: Uint8Array) => {
    passed.push(message)
    for (const { like, resolve } of watchers) if (like(message)) resolve()
  }
  const server = createServer((near) => {
    const far = createConnection(bridge)
    join(near, far, pass)
    join(far, near, pass)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    target: `unix:${path}`,
    taken: () => passed.splice(0),
    passes: (like) => new Promise((resolve) => void (watchers = [...watchers, { like, resolve }])),
    close: () => void server.close(),
  }
}

function join(from: Socket, to: Socket, pass: (message: Uint8Array) => void): void {
  const reader = new MessageReader()
  from.on('data', (bytes) => {
    for (const message of reader.push(Uint8Array.from(bytes))) pass(message.slice())
    to.write(bytes)
  })
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}
