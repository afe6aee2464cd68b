import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ended, firstLine, startCli } from '../support/run-cli.ts'

test('a controller that a host has left for one of a later start ends, and says why by its exit code', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-controller-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const topology = join(folder, 'topology.json')
  await writeFile(topology, JSON.stringify({ version: 1, name: 'one', hosts: [{ name: 'h1' }], networks: [], vms: [] }))
  const start = (...words: string[]) => {
    const child = startCli(...words)
    const end = ended(child)
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await end
    })
    return { child, end }
  }
  const controller = (name: string) =>
    start('controller', topology, '--listen', `punix:${folder}/${name}`, '--api', '127.0.0.1:0', '--json')
  const dialled = ['first', 'second'].flatMap((name) => ['--controller', `unix:${folder}/${name}`])

  const first = controller('first')
  await firstLine(first.child)
  const host = start('host', 'h1', ...dialled)
  await firstLine(host.child)
  const second = controller('second')
  await firstLine(second.child)
  expect(await first.end).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(
      /h1\/br-int follows another controller, of a later start[^]*another controller, of a later start, is in charge/,
    ) as string,
  })
  expect([second.child.exitCode, host.child.exitCode]).toEqual([null, null])
})
