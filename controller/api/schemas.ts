// What the schemas of several resources share. Numbers of 64 bits that identify something (cookies, datapath ids) are
// hexadecimal text; those that count something are JSON numbers, exact up to 2^53.

import { Type } from 'typebox'

/** An object with these keys and no others. */
export const closed = <Properties extends Type.TProperties>(
  properties: Properties,
  options: Type.TObjectOptions = {},
) => Type.Object(properties, { additionalProperties: false, ...options })

export const optional = Type.Optional

export const text = (description: string) => Type.String({ description })
export const flag = (description: string) => Type.Boolean({ description })
export const texts = (description: string) => Type.Array(Type.String(), { description })
export const count = (description: string) => Type.Integer({ minimum: 0, description })
export const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description })
export const nanoseconds = (description: string) => Type.Integer({ description: `${description} Nanoseconds.` })
export const hexadecimal = (description: string) => Type.String({ pattern: '^0x[0-9a-f]{1,16}$', description })
export const choice = <const Choices extends string[]>(choices: Choices, description: string) =>
  Type.Enum(choices, { description })

export const SwitchParams = closed({
  host: text('Host of the switch.'),
  bridge: text('Bridge of the host, as br-int.'),
})
export const NameParams = closed({ name: text('Its name.') })
export const IdParams = closed({ id: text('Its id.') })

export const asHexadecimal = (value: bigint): string => `0x${value.toString(16)}`
