// Options that say where connections go to or come in, and that may be given again and again.

import { InvalidArgumentError, Option } from 'commander'
import type { Endpoint } from '../runtime/endpoint.ts'
import { DIAL_SYNTAX, LISTEN_SYNTAX, parseEndpoint } from '../runtime/endpoint.ts'
import { textOf } from '../runtime/error-text.ts'

/** An option that may be given again and again: a list of what was, undefined where it was not. */
export function repeatable<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser<T[] | undefined>((text, before) => [...(before ?? []), parse(text)])
}

/** Reads a place to listen at where `passive`, else one to dial. */
export function endpoint(passive: boolean): (text: string) => Endpoint {
  return (text) => {
    const parsed = wordsOf(() => parseEndpoint(text))
    if (parsed.passive === passive) return parsed
    const [given, wanted] = passive ? ['dial', LISTEN_SYNTAX] : ['listen', DIAL_SYNTAX]
    throw new InvalidArgumentError(`It is a place to ${given}; expected ${wanted}.`)
  }
}

/** What `work` throws, as an error of the option that it reads. */
export function wordsOf<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new InvalidArgumentError(textOf(error))
  }
}
