// One action <-> the member of control.proto's Action that carries it: `push_vlan` is `pushVlan` there.

import type { signalbox } from '../generated/control.js'
import type { Action } from '../messages.ts'
import { bounded } from './values.ts'

export type WireAction = signalbox.control.Action.$Properties
export type ActionKind = Action['type']

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name
type WireOf<Kind extends ActionKind> = NonNullable<WireAction[Camel<Kind> & keyof WireAction]>
type ActionOf<Kind extends ActionKind> = Extract<Action, { type: Kind }>

/** `depth` is how many clones and cts the action stands in. Both throw InvalidField. */
export interface ActionCodec<Kind extends ActionKind> {
  toWire(action: ActionOf<Kind>, path: string, depth: number): WireOf<Kind>
  fromWire(wire: WireOf<Kind>, path: string, depth: number): ActionOf<Kind>
}

export const memberOf = (kind: string): string => kind.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** An action that says all by being there. */
export const bare = <Kind extends ActionKind>(type: Kind) => ({ toWire: () => ({}), fromWire: () => ({ type }) })

/** An action that is a number: on the wire nothing else. */
export const byNumber = <Kind extends ActionKind, Name extends string>(type: Kind, name: Name, maximum: number) => ({
  toWire: (action: { [Key in Name]: number }, path: string) => bounded(action[name], maximum, `${path}.${name}`),
  fromWire: (wire: number, path: string) =>
    ({ type, [name]: bounded(wire, maximum, `${path}.${name}`) }) as { type: Kind } & { [Key in Name]: number },
})
