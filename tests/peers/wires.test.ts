// `signalbox switch run` under load and listened in on: real `ovs-ofctl` reads more than waits for a reader at any time, and copies
// of what a controller says; connections that say nothing, or nonsense. Needs the Debian package openvswitch-switch.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Action } from '../../protocols/control/messages.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { seeded } from '../../runtime/random.ts'
import { HELLO } from '../support/openflow-ends.ts'
import { randomBytes } from '../support/random-frames.ts'
import { flowMod } from '../support/test-switch.ts'
import { ovsInstalled } from './support/ovs.ts'
import { RunningSwitch } from './support/switch-run.ts'
import { waitingController } from './support/waiting-controller.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const CONNECTIONS = 2000
/** Their actions take nearly 64 KiB each on the wire, so all of them more than 64 MiB. */
const FLOWS = 1100
const OUTPUTS = Array.from({ length: 3900 }, (): Action => ({ type: 'output', port: 1 }))
const PRINTED = OUTPUTS.map(() => 'output:1').join()
/** Where a flow-mod has it. */
const PRIORITY = 30

/** `ovs-ofctl snoop`, as it finds a bridge of this name in its run directory. */
function snoop(bridge: string) {
  const child = spawn('ovs-ofctl', ['-O', 'OpenFlow13', 'snoop', bridge], {
    env: { ...process.env, OVS_RUNDIR: folder, LC_ALL: 'C' },
  })
  const copied = { text: '', ended: once(child, 'close'), stop: () => child.kill() }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (copied.text += String(text)))
  return copied
}

/** A flow of each priority, with the same actions: written once, since there are millions of them. */
function flowsOf(priorities: readonly number[]): Uint8Array[] {
  const instructions = { apply: OUTPUTS, clear: false, write: [] }
  const one = Buffer.concat(encodeOpenFlow({ xid: 2, message: flowMod({ match: [], instructions }) }))
  return priorities.map((priority) => {
    const bytes = Buffer.from(one)
    bytes.writeUInt16BE(priority, PRIORITY)
    return bytes
  })
}

/** Sends the switch messages, and waits until it has done what they ask. */
async function tell(target: string, messages: readonly Uint8Array[]): Promise<void> {
  const socket = await opened(target)
  const reply = Buffer.concat(encodeOpenFlow({ xid: 2, message: { type: 'barrierReply' } }))
  let said = Buffer.alloc(0)
  const done = new Promise<void>((resolve) => {
    socket.on('data', (bytes) => {
      said = Buffer.concat([said, bytes])
      if (said.includes(reply)) resolve()
    })
  })
  const barrier = encodeOpenFlow({ xid: 2, message: { type: 'barrierRequest' } })
  for (const bytes of [HELLO, ...messages, ...barrier]) socket.write(bytes)
  await done
  socket.destroy()
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
    const priorities = Array.from({ length: FLOWS }, (_, index) => index)
    const running = await RunningSwitch.start({ ports: 1 })
    await tell(running.target, flowsOf(priorities))
    const text = await running.ofctl('dump-flows', '--no-stats')
    const dumped = text.split('\n').filter((line) => line.includes('priority='))
    const whole = dumped.filter((line) => line.endsWith(` actions=${PRINTED}`))
    const found = whole.map((line) => Number(/priority=(\d+)/.exec(line)?.[1]))
    expect(found.toSorted((a, b) => a - b)).toEqual(priorities)
    expect(await running.stop()).toBe('')
  })

  test('lets ovs-ofctl snoop on its controller', async () => {
    const { target, dialled, close } = await waitingController()
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
