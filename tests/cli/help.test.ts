import { afterEach, describe, expect, test, vi } from 'vitest'
import { ended, runCli, runHere, startCli, startCliUnder } from '../support/run-cli.ts'

afterEach(() => vi.unstubAllEnvs())

/** The verbs that a help text lists. */
function verbsIn(help: string): string[] {
  const [, listed = ''] = help.split('\nCommands:\n')
  const [block = ''] = listed.split('\n\n')
  return [...block.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help')
}

async function helpOf(verb: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runHere(...verb, '--help')
  expect({ verb, code, stderr }).toEqual({ verb, code: 0, stderr: '' })
  // A default that says nothing, beside one that is told in words.
  expect(stdout).not.toMatch(/default:\s+(none|\[\]|"")/)
  expect(stdout).toContain(`Usage: ${['signalbox', ...verb].join(' ')}`)
  const told = [verb.join(' ')]
  for (const name of verbsIn(stdout)) told.push(...(await helpOf([...verb, name])))
  return told
}

test('every verb, and every verb of a verb, has a help text', async () => {
  const told = await helpOf([])
  expect(told).toEqual(expect.arrayContaining(['replay', 'trace', 'switch run', 'switch trace', 'flow add']))
})

const ROOT = new URL('../../', import.meta.url).href

/** Modules that a process loads: ours by their path, and those of libraries. */
async function loadedBy(...args: string[]): Promise<string[]> {
  const script = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`
  const hooks = `import { writeSync } from 'node:fs'
    export const load = (url, context, next) => (writeSync(2, url + '\\n'), next(url, context))`
  const start = `import { register } from 'node:module'; register(${JSON.stringify(script(hooks))})`
  vi.stubEnv('NODE_OPTIONS', `--import=${script(start)}`)
  const { code, stderr } = await runCli(...args)
  expect(code).toBe(0)
  return stderr.split('\n').map((url) => url.replace(ROOT, '').replace(/^dist\//, ''))
}

const ROOMS = /^(controller|datapath|lab|protocols)\//
const LIBRARIES = /(^|\/)node_modules\/(ajv|fastify|protobufjs|typebox)\//

test('a verb that asks the API loads neither controller nor switch nor network', async () => {
  const loaded = await loadedBy('vm', 'list', '--help')
  expect(loaded).toContainEqual(expect.stringMatching(/^cli\/vm\.[jt]s$/))
  expect(loaded).not.toContainEqual(expect.stringMatching(ROOMS))
  expect(loaded).not.toContainEqual(expect.stringMatching(LIBRARIES))
})

test('one that needs them does', async () => {
  const loaded = await loadedBy('up', '--help')
  expect(loaded).toContainEqual(expect.stringMatching(ROOMS))
  expect(loaded).toContainEqual(expect.stringMatching(LIBRARIES))
})

describe('whoever reads what is printed may go before the end', () => {
  test('of standard output: the exit code is that of the work', async () => {
    const child = startCli('vm', 'list', '--help')
    child.stdout!.destroy()
    expect(await ended(child)).toMatchObject({ code: 0, stderr: '' })
  })

  test('of standard error as well', async () => {
    const child = startCli('validate', 'nothing.json')
    child.stderr!.destroy()
    expect(await ended(child)).toMatchObject({ code: 2 })
  })

  test.runIf(process.platform === 'linux')('but a disk without room for it is wrong', async () => {
    const child = startCliUnder(['sh', '-c', 'exec "$@" > /dev/full', 'sh'], 'vm', 'list', '--help')
    expect(await ended(child)).toEqual({
      code: 2,
      stdout: '',
      stderr: 'signalbox: standard output: no space left on the device\n',
    })
  })
})
