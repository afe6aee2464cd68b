import type { ErrorCode } from './control/error-codes.ts'

/** Bytes that are not what they claim to be. `offset` counts from the start of the message or frame. */
export class Malformed extends Error {
  readonly protocol: string
  readonly offset: number

  constructor(protocol: string, problem: string, offset: number) {
    super(`${protocol}: ${problem} at byte ${offset}`)
    this.name = 'Malformed'
    this.protocol = protocol
    this.offset = offset
  }
}

/** A value that its field does not admit, from a person or a peer. `path` says where: `match.tp_dst`, `actions[2].port`. */
export class InvalidField extends Error {
  readonly path: string
  readonly problem: string
  readonly expected: string
  /** How a message that holds it is refused. */
  readonly code: ErrorCode

  constructor(path: string, problem: string, expected: string, code: ErrorCode = 'bad_request') {
    super(`${path}: ${problem}; expected ${expected}`)
    this.name = 'InvalidField'
    this.path = path
    this.problem = problem
    this.expected = expected
    this.code = code
  }
}
