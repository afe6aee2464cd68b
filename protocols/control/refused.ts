import { InvalidField } from '../errors.ts'
import type { ErrorCode } from './error-codes.ts'

/** A message that can not be carried out; nothing was changed. `field` is the path of what is to blame in it, '' where nothing is. */
export class Refused extends Error {
  readonly code: ErrorCode
  readonly field: string

  constructor(code: ErrorCode, field: string, message: string) {
    super(message)
    this.name = 'Refused'
    this.code = code
    this.field = field
  }

  /** The same of a message that is part of another one, at `path` in it. */
  within(path: string): Refused {
    return new Refused(this.code, this.field === '' ? path : `${path}.${this.field}`, this.message)
  }
}

/** What refuses a message; any other error is our own mistake and goes on. */
export function asRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error
  if (error instanceof InvalidField) return new Refused(error.code, error.path, error.message)
  throw error
}
