// Bearer tokens (RFC 6750). The server knows only their hashes: a token is 256 bits of chance, so that SHA-256 is enough.

import { createHash, timingSafeEqual } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { Type } from 'typebox'
import { LOCAL } from '../state/operations.ts'
import { ANONYMOUS } from './actor.ts'
import { closed, optional } from './schemas.ts'

/** Each may do what those before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

const Token = closed({
  name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$' }),
  role: Type.Enum([...ROLES]),
  tenant: optional(Type.String({ minLength: 1, description: "It lets see what is this tenant's, and nothing else." })),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'Of the token, hexadecimal.' }),
  expires: optional(Type.String({ format: 'date-time', description: 'When it ends; never where absent.' })),
})
export type Token = Type.Static<typeof Token>

const ajv = new Ajv2020({ allErrors: true })
addFormats.default(ajv)
const isTokens = ajv.compile<Token[]>(Type.Array(Token))

const RESERVED: ReadonlySet<string> = new Set([LOCAL, ANONYMOUS])

/** @throws Error that says which token is not one, and why; never what it holds */
export function parseTokens(text: string): Token[] {
  const tokens = parseJson(text)
  if (!isTokens(tokens)) {
    const [{ instancePath, message } = { instancePath: '', message: '' }] = isTokens.errors ?? []
    throw new Error(`${instancePath || 'the whole'} ${message ?? 'is no list of tokens'}`)
  }
  const names = tokens.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`two tokens are named '${twice}'`)
  const reserved = names.find((name) => RESERVED.has(name))
  if (reserved !== undefined) throw new Error(`no token can be named '${reserved}': it means that nobody was asked`)
  const busy = tokens.find(({ role, tenant }) => tenant !== undefined && role !== 'viewer')
  if (busy !== undefined) throw new Error(`the token of '${busy.name}' is of a tenant: it can only be viewer`)
  return tokens
}

/** The parser's own message would quote what it read. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error('it is not JSON', { cause: error })
  }
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** The one whose secret was shown. How long it takes says nothing about hashes. */
export function tokenOf(tokens: readonly Token[], shown: string): Token | undefined {
  const hash = Buffer.from(hashOf(shown))
  let found: Token | undefined
  for (const token of tokens) if (timingSafeEqual(Buffer.from(token.sha256), hash)) found = token
  return found
}

export const hasExpired = ({ expires }: Token, now: number): boolean =>
  expires !== undefined && Date.parse(expires) <= now
