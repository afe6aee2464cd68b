import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Controller } from '../../controller/controller.ts'
import { dial, listen } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { FakeSwitch } from '../support/fake-switch.ts'
import { ended, firstLine, startCli } from '../support/run-cli.ts'

test('a controller that a host has left for one of a later start ends, and says why by its exit code', async () => {
  const { folder, topology } = await oneHost()
  const dialled = ['first', 'second'].flatMap((name) => ['--controller', `unix:${folder}/${name}`])

  const first = start('controller', topology, '--listen', `punix:${folder}/first`, '--api', '127.0.0.1:0', '--json')
  await firstLine(first.child)
  const host = start('host', 'h1', ...dialled)
  await firstLine(host.child)
  const second = await controllerAt(join(folder, 'second'))
  expect(await first.end).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(
      /h1\/br-int follows another controller, of a later start[^]*another controller is in charge/,
    ) as string,
  })
  await vi.waitFor(() => expect(second.switches()).toMatchObject([{ name: 'h1/br-int', connected: true }]), 100_000)
  expect(host.child.exitCode).toBe(null)
})

test('a controller that a switch of another one calls while it is starting ends as well', async () => {
  const { folder, topology } = await oneHost()
  const clock = new WallClock()
  onTestFinished(() => clock.stop())
  const path = join(folder, 'socket')
  const { end } = start('controller', topology, '--listen', `punix:${path}`, '--api', '127.0.0.1:0')
  const device = new FakeSwitch('h1/br-int', clock)
  device.generation = 1n << 62n
  device.speak(await dialSoon(path))
  expect(await end).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/another controller is in charge/) as string,
  })
})

async function oneHost() {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-controller-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const topology = join(folder, 'topology.json')
  await writeFile(topology, JSON.stringify({ version: 1, name: 'one', hosts: [{ name: 'h1' }], networks: [], vms: [] }))
  return { folder, topology }
}

function start(...words: string[]) {
  const child = startCli(...words)
  const end = ended(child)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await end
  })
  return { child, end }
}

/** As soon as somebody listens there. */
async function dialSoon(path: string): Promise<Channel> {
  const tried = () => dial({ kind: 'unix', passive: false, path }, undefined, new AbortController().signal)
  return vi.waitFor(tried, { timeout: 60_000, interval: 1 })
}

/** One that starts now, within the test, and listens there. */
async function controllerAt(path: string): Promise<Controller> {
  const clock = new WallClock()
  const controller = new Controller({ clock, generationId: BigInt(Date.now()) })
  const listener = await listen({ kind: 'unix', passive: true, path }, undefined, (channel) =>
    controller.accept(channel),
  )
  onTestFinished(async () => {
    controller.close()
    await listener.close()
    clock.stop()
  })
  return controller
}
