import { expect, test } from 'vitest'
import { runHere } from '../support/run-cli.ts'

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
