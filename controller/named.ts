// Looking things up for somebody who may have mistyped.

import { NotFound } from './model.ts'

/** @throws NotFound, which knows what there is */
export const named = <T extends { readonly name: string }>(kind: string, among: readonly T[], name: string): T =>
  found(kind, among, name, (one) => one.name)

/** @throws NotFound, which knows what there is */
export const identified = <T extends { readonly id: string }>(kind: string, among: readonly T[], id: string): T =>
  found(kind, among, id, (one) => one.id)

function found<T>(kind: string, among: readonly T[], asked: string, nameOf: (one: T) => string): T {
  const one = among.find((each) => nameOf(each) === asked)
  if (one === undefined) throw new NotFound(kind, asked, among.map(nameOf))
  return one
}
