import type { ErrorCode } from '../../protocols/control/messages.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { FlowModError } from '../flow-check.ts'
import { PortError } from '../ports.ts'

/** A message that the switch does not carry out. `field` is the path of what is to blame in it, '' where nothing is. */
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

/** What the tables, the ports and the checks of fields say when they refuse; any other error is our own mistake and goes on. */
export function asRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error
  if (error instanceof FlowModError || error instanceof PortError)
    return new Refused(error.code, error.field, error.message)
  if (error instanceof InvalidField) return new Refused('bad_request', error.path, error.message)
  throw error
}
