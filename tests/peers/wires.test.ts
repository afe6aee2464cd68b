// `signalbox switch run` under load and listened in on: real `ovs-ofctl` reads more than waits for a reader at any time, and copies
// of what a controller says; connections that say nothing, or nonsense. Needs the Debian package openvswitch-switch.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import { seeded } from '../../runtime/random.ts'
import { formatEndpoint } from '../../runtime/endpoint.ts'
import { listen } from '../../runtime/sockets.ts'
import { randomBytes } from '../support/random-frames.ts'
import { flowMod } from '../support/test-switch.ts'
import { ovsInstalled } from './support/ovs.ts'
import { RunningSwitch } from './support/switch-run.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const CONNECTIONS = 2000
/** Their actions take 3 KiB each on the wire, so all of them more than 64 MiB. */
const FLOWS = 25_000
const OUTPUTS = Array.from({ length: 200 }, () => '1').join()

/** A controller that the switch dials. */
async function controller() {
  let take: (connection: OpenFlowConnection) => void = () => {}
  const dialled = new Promise<OpenFlowConnection>((resolve) => (take = resolve))
  const at = { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 } as const
  const listener = await listen(at, undefined, (channel) => {
    const connection = new OpenFlowConnection(channel)
    connection.onAgreed = () => take(connection)
  })
  return { target: formatEndpoint({ ...listener.endpoint, passive: false }), dialled, close: () => listener.close() }
}

/** `ovs-ofctl snoop`, as it finds a bridge of this name in its run directory. */
function snoop(bridge: string) {
  const child = spawn('ovs-ofctl', ['-O', 'OpenFlow13', 'snoop', bridge], {
    env: { ...process.env, OVS_RUNDIR: folder, LC_ALL: 'C' },
  })
  const copied = { text: '', ended: once(child, 'close'), stop: () => child.kill() }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (copied.text += String(text)))
  return copied
}

async function until(holds: () => boolean, what: () => string): Promise<void> {
  for (let wait = 0; wait < 1000 && !holds(); wait++) await new Promise((resolve) => setTimeout(resolve, 20))
  if (!holds()) throw new Error(what())
}

async function opened(target: string): Promise<Socket> {
  const socket = connect(Number(target.split(':').at(-1)), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

describe.skipIf(!ovsInstalled())('a switch alone', () => {
  test('gives ovs-ofctl a dump of more than 64 MiB, whole', async () => {
    const file = join(folder, 'flows')
    const lines = Array.from({ length: FLOWS }, (_, index) => `priority=${index},actions=${OUTPUTS}`)
    writeFileSync(file, lines.join('\n'))
    const running = await RunningSwitch.start({ ports: 1, words: ['--flows', file] })
    const text = await running.ofctl('dump-flows', '--no-stats')
    const priorities = [...text.matchAll(/priority=(\d+)/g)].map(([, priority]) => Number(priority))
    expect(priorities.toSorted((a, b) => a - b)).toEqual(lines.map((_, index) => index))
    expect(await running.stop()).toBe('')
  })

  test('lets ovs-ofctl snoop on its controller', async () => {
    const { target, dialled, close } = await controller()
    const words = ['--controller', target, '--snoop', `punix:${join(folder, 'br0.snoop')}`]
    const running = await RunningSwitch.start({ ports: 1, words })
    const connection = await dialled
    const copied = snoop('br0')
    for (let xid = 100; !copied.text.includes('OFPT_FLOW_MOD') && xid < 1100; xid++) {
      connection.send(flowMod({ priority: 7, match: [] }), xid)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    connection.send({ type: 'barrierRequest' }, 5000)
    await until(
      () => copied.text.includes('OFPT_BARRIER_REPLY'),
      () => copied.text,
    )
    expect(copied.text).toMatch(/OFPT_FLOW_MOD \(OF1\.3\) \(xid=0x[0-9a-f]+\).*ADD priority=7/)
    expect(copied.text).toMatch(
      /OFPT_BARRIER_REQUEST \(OF1\.3\) \(xid=0x1388\).*\n(.*\n)*OFPT_BARRIER_REPLY \(OF1\.3\) \(xid=0x1388\)/,
    )
    connection.close()
    await copied.ended
    await running.stop()
    await close()
  })

  test('bears thousands that say nothing, some that are half open, and nonsense', async () => {
    const random = seeded(1)
    const running = await RunningSwitch.start({ ports: 1 })
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => opened(running.target)))
    for (const socket of sockets.slice(0, 100)) socket.write(randomBytes(random, 1 + random.below(300)))
    for (const socket of sockets.slice(100, 200)) socket.end()
    for (const socket of sockets.slice(200, 300)) socket.resetAndDestroy()
    expect(await running.ofctl('add-flow', 'priority=3,actions=drop')).toBe('')
    expect(await running.ofctl('dump-flows', '--no-stats')).toContain('priority=3 actions=drop')
    for (const socket of sockets) socket.destroy()
    expect(await running.ofctl('show')).toContain('OFPT_FEATURES_REPLY')
    expect(await running.stop()).toBe('')
  })
})
