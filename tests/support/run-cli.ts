// The command line, as a process of its own and within the test's.

import { spawn, type ChildProcess } from 'node:child_process'
import { Readable } from 'node:stream'
import { vi } from 'vitest'
import { signalbox } from '../../cli/program.ts'
import { BUILT, isBuilt, ROOT } from './built.ts'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

export const startCli = (...args: string[]): ChildProcess => startCliIn(undefined, ...args)

/** As `startCli`, in a network namespace of Linux. */
export const startCliIn = (namespace: string | undefined, ...args: string[]): ChildProcess =>
  startCliUnder(namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace], ...args)

/** As `startCli`, as what the words of another command are for. */
export function startCliUnder(within: readonly string[], ...args: string[]): ChildProcess {
  const [command, ...words] = [...within, process.execPath, ...program(), ...args]
  return spawn(command!, words, { cwd: ROOT, stdio: 'pipe' })
}

let known: readonly string[] | undefined

/** What is built where nothing has changed since, which starts three times as fast; else the sources. */
function program(): readonly string[] {
  known ??= isBuilt() ? [BUILT] : ['--import', 'tsx', 'cli/main.ts']
  return known
}

export const runCli = (...args: string[]): Promise<Ended> => ended(startCli(...args))

/** What the process has printed when it has ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)]
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  return { code, stdout: stdout(), stderr: stderr() }
}

/** The first line that the process prints. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    child.on('close', (code) => reject(new Error(`ended with ${code} before it printed a line`)))
  })
}

/** As `runCli`, without the cost of a process; for verbs that read no standard input, and do not stay. */
export async function runHere(...args: string[]): Promise<Ended> {
  const stdout: string[] = []
  const stderr: string[] = []
  const spies = [spyOn(process.stdout, stdout), spyOn(process.stderr, stderr)]
  try {
    await signalbox(args)
    return { code: Number(process.exitCode ?? 0), stdout: stdout.join(''), stderr: stderr.join('') }
  } finally {
    process.exitCode = undefined
    for (const spy of spies) spy.mockRestore()
  }
}

/** As `runHere`, with `input` as standard input. */
export async function runReading(input: string, ...args: string[]): Promise<Ended> {
  const spy = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([input]) as typeof process.stdin)
  try {
    return await runHere(...args)
  } finally {
    spy.mockRestore()
  }
}

const spyOn = (stream: NodeJS.WriteStream, written: string[]) =>
  vi.spyOn(stream, 'write').mockImplementation((chunk) => {
    written.push(String(chunk))
    return true
  })

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: string[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  return () => chunks.join('')
}
