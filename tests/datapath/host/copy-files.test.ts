// What a live host writes for mirrors, read again: whatever the disk did meanwhile, each file is whole, and what was said to be kept is there.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CopyFiles } from '../../../datapath/host/copy-files.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { readAll } from '../../support/capture-reading.ts'
import { randomBytes } from '../../support/frames.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'copies-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const filesFor = (size: number, files: number, into = folder) => {
  const said: string[] = []
  const clock = new VirtualClock()
  return { said, copies: new CopyFiles({ clock, folder: into, size, files, warn: (line) => said.push(line) }) }
}

/** Of a whole capture, in order. */
async function framesIn(...path: string[]): Promise<string[]> {
  const { frames, damage } = await readAll([readFileSync(join(...path))])
  if (damage !== undefined) throw damage
  return frames.map(({ interfaceName, bytes }) => `${interfaceName} ${Buffer.from(bytes).toString('hex')}`)
}

const SOURCES = ['a:eth0', 'b:eth0', 'c:eth0'].map((vnic) => ({ vnic, host: 'h1', way: 'said' as const }))

test.each([1, 2, 3])('the newest copies are there, in so many files at most (seed %i)', async (seed) => {
  const random = seeded(seed)
  writeFileSync(join(folder, 'tap.pcapng'), 'of another time')
  const { copies, said } = filesFor(2000, 4)
  const written: string[] = []
  for (let frame = 0; frame < 100; frame++) {
    const source = SOURCES[random.below(3)]!
    const bytes = randomBytes(random, 14 + random.below(200))
    expect(copies.write('tap.pcapng', source, bytes)).toBe(true)
    written.push(`${source.vnic} ${Buffer.from(bytes).toString('hex')}`)
  }
  await copies.close()
  const names = readdirSync(folder).sort()
  expect(names).toEqual(['tap.pcapng', 'tap.pcapng.1', 'tap.pcapng.2', 'tap.pcapng.3'])
  const read = (await Promise.all(names.reverse().map((name) => framesIn(folder, name)))).flat()
  expect(read.length).toBeGreaterThan(20)
  expect(read).toEqual(written.slice(-read.length))
  expect(said).toEqual([])
})

test('a link is not followed, and a name that is none of a file goes nowhere', async () => {
  const elsewhere = join(folder, 'elsewhere')
  writeFileSync(elsewhere, 'untouched')
  symlinkSync(elsewhere, join(folder, 'tap.pcapng'))
  const { copies } = filesFor(2000, 2)
  expect(copies.write('tap.pcapng', SOURCES[0]!, new Uint8Array(60))).toBe(true)
  for (const name of ['../tap.pcapng', '/tap.pcapng', 'tap', '.pcapng', 'a/b.pcapng'])
    expect(copies.write(name, SOURCES[0]!, new Uint8Array(60))).toBe(false)
  await copies.close()
  expect(readFileSync(elsewhere, 'utf8')).toBe('untouched')
  expect(await framesIn(folder, 'tap.pcapng')).toHaveLength(1)
})

test('what the disk does not take is said once, and what comes after it can be read', async () => {
  const later = join(folder, 'later')
  const { copies, said } = filesFor(10_000_000, 2, later)
  const bytes = new Uint8Array(1500)
  // More than is gathered: the disk is asked, and has no such folder.
  for (let frame = 0; frame < 400; frame++) copies.write('tap.pcapng', SOURCES[0]!, bytes)
  await vi.waitUntil(() => said.length > 0)
  expect(said).toEqual([expect.stringMatching(/copies of mirrors not written; .*no such file/)])
  mkdirSync(later)
  for (const source of SOURCES) copies.write('tap.pcapng', source, bytes.fill(7))
  await copies.close()
  const read = (await Promise.all(readdirSync(later).map((name) => framesIn(later, name)))).flat()
  expect(read.filter((frame) => frame.endsWith('07'))).toHaveLength(3)
})
