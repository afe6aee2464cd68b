import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'

/** For help texts: what `readJson` takes. */
export const JSON_FORMS = 'as JSON; - for standard input, @FILE for a file'

/** The JSON object that an argument is, or names. `noun` and `example` are for who has to be told what was expected. @throws Error */
export async function readJson(words: string, noun: string, example: string): Promise<object> {
  const text =
    words === '-' ? await textOf(process.stdin) : words.startsWith('@') ? await readFile(words.slice(1), 'utf8') : words
  const refuse = (why: string, cause?: unknown) =>
    new Error(`the ${noun} is ${why}; expected ${example} or alike`, { cause })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refuse(`not JSON (${(error as Error).message})`, error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('no JSON object')
  return value
}
