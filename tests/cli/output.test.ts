import { EventEmitter } from 'node:events'
import { existsSync, lstatSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { checkWritable, makeFolder } from '../../cli/output-files.ts'
import { outliveReaders } from '../../cli/output-streams.ts'
import { ended, startCliUnder } from '../support/run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-output-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a standard output that fails', () => {
  /** A process that prints so many times what does not fit, and then ends with `code`; and what it ends with after all. */
  function failing(times: number, code: number) {
    const said: string[] = []
    const stderr = Object.assign(new EventEmitter(), { write: (text: string) => said.push(text) })
    const stdout = new EventEmitter()
    const process = Object.assign(new EventEmitter(), { stdout, stderr, exitCode: code })
    outliveReaders(process as unknown as NodeJS.Process)
    for (let count = 0; count < times; count++) stdout.emit('error', Object.assign(new Error(), { code: 'ENOSPC' }))
    const listeners = process.listenerCount('exit')
    process.emit('exit', code)
    return { said, listeners, code: process.exitCode }
  }

  test('is told of once, however often', () => {
    const said = ['signalbox: standard output: no space left on the device\n']
    expect(failing(30, 0)).toEqual({ said, listeners: 1, code: 2 })
  })

  test('takes the place of a verdict, and of no other exit code', () => {
    expect([0, 1, 2, 3, 4, 130].map((code) => failing(1, code).code)).toEqual([2, 2, 2, 3, 4, 130])
  })

  test.runIf(process.platform === 'linux')('is no wrong input of what stays until it is told to stop', async () => {
    const words = ['up', 'linear,2', '--listen', '127.0.0.1:0']
    const child = startCliUnder(['sh', '-c', 'exec "$@" > /dev/full', 'sh'], ...words)
    const end = ended(child)
    child.stderr!.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('standard output')) child.kill('SIGTERM')
    })
    expect(await end).toMatchObject({ code: 0, stderr: expect.stringContaining('no space left') })
  })
})

test('a link to a file that is not there yet can be written to, and stays as it is until then', async () => {
  const [link, target] = [join(folder, 'latest.json'), join(folder, 'today.json')]
  symlinkSync(target, link)
  await checkWritable(link)
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(existsSync(target)).toBe(false)
  symlinkSync(join(folder, 'nowhere', 'report.json'), join(folder, 'lost.json'))
  await expect(checkWritable(join(folder, 'lost.json'))).rejects.toThrow('ENOENT')
})

test('a folder that two make at once is there for both', async () => {
  const names = ['a', 'b', 'c'].map((name) => join(folder, 'out', 'captures', name))
  await Promise.all(names.map(makeFolder))
  expect(names.map((name) => existsSync(name))).toEqual([true, true, true])
  symlinkSync(join(folder, 'gone'), join(folder, 'link'))
  await expect(makeFolder(join(folder, 'link'))).rejects.toThrow('EEXIST')
})
