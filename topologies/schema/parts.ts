// What the schemas of topology and scenario are made of. A `title` says what is expected where a value is refused.

import { Type } from 'typebox'
import * as units from '../units.ts'

export const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

export const closed = <Properties extends Type.TProperties>(
  properties: Properties,
  options: Type.TObjectOptions = {},
) => Type.Object(properties, { additionalProperties: false, ...options })
export const optional = Type.Optional
const quantity = (title: string, pattern: string) => (description: string) =>
  Type.String({ title, pattern, description })
const positive = (pattern: string) => `^(?=.*[1-9])${pattern.slice(1)}`

export const duration = quantity(units.DURATION_EXPECTED, units.DURATION_PATTERN)
export const rate = quantity(`${units.RATE_EXPECTED}, more than 0`, positive(units.RATE_PATTERN))
export const size = quantity(`${units.SIZE_EXPECTED}, more than 0`, positive(units.SIZE_PATTERN))
export const name = (description: string) =>
  Type.String({
    title: "a name: letters, digits, '.', '_' and '-', at most 63, the first a letter or digit",
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
    description,
  })
/** A name, or a tenant's and a name of its own: `red/blue`. */
export const scopedName = (description: string) =>
  Type.String({
    title: "a name, or a tenant's and one of its own, as red/blue",
    pattern: '^([A-Za-z0-9][A-Za-z0-9._-]{0,62}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
    description,
  })
export const mac = (description: string) =>
  Type.String({
    title: 'a MAC address: six octets, as 02:00:00:00:00:01',
    pattern: '^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$',
    description,
  })
export const text = (description: string) => Type.String({ minLength: 1, description })
export const integer = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ title: `a whole number from ${minimum} to ${maximum}`, minimum, maximum, description })
export const addresses = (description: string) => Type.Array(Type.String(), { description })
export const pair = (description: string) =>
  Type.Array(Type.String(), { title: 'two names', minItems: 2, maxItems: 2, description })
/** Exactly one of these keys. */
export const oneKeyOf = (...keys: string[]) => ({ oneOf: keys.map((key) => ({ required: [key] })) })

/** Which of two schemas counts follows from the value, so that a mistake is held against the one that was meant. */
export const inCase = (condition: object, whenTrue: object, otherwise: object) => ({
  if: condition,
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: whenTrue,
  else: otherwise,
})
export const ifObject = (whenTrue: object, otherwise: object) => ({
  type: ['string', 'object'],
  ...inCase({ type: 'object' }, whenTrue, otherwise),
})

export const MTU = { least: 68, most: 65_535 }
export const LARGEST_COUNT = 1_000_000_000
