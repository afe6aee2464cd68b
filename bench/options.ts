import { parseArgs } from 'node:util'
import type { Bench, Peer } from './bench.ts'
import { textOf } from '../runtime/error-text.ts'

export interface Options {
  against?: Peer
  json?: string
  /** Parts of the names of those that are wanted; none: all. */
  only: string[]
  /** Groups of them; none: all. */
  groups: string[]
  /** Files of rules for the classifier. */
  rules: string[]
  list: boolean
  help: boolean
}

/** The command line makes no sense; the message says why. */
export class Misused extends Error {}

/** @throws Misused */
export function parseOptions(words: readonly string[]): Options {
  const { values, positionals } = parsed(words)
  const { against, json, only = [], rules = [], list = false, help = false } = values
  if (against !== undefined && against !== 'ovs' && against !== 'ovn')
    throw new Misused(`--against: there is nothing to measure '${against}' with; it can be ovs or ovn`)
  return {
    ...(against && { against }),
    ...(json !== undefined && { json }),
    only,
    groups: positionals,
    rules,
    list,
    help,
  }
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        against: { type: 'string' },
        json: { type: 'string' },
        only: { type: 'string', multiple: true },
        rules: { type: 'string', multiple: true },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new Misused(textOf(error))
  }
}

/**
 * The benches that are asked for, in the order of the table.
 * @throws Misused for a group or a row that there is not.
 */
export function selected(
  groups: Readonly<Record<string, readonly Bench[]>>,
  { groups: named, only }: Options,
): Bench[] {
  const unknown = named.find((name) => !Object.hasOwn(groups, name))
  if (unknown !== undefined)
    throw new Misused(`there is no group '${unknown}'; there is ${Object.keys(groups).join(', ')}`)
  const offered = Object.entries(groups)
    .filter(([name]) => named.length === 0 || named.includes(name))
    .flatMap(([, benches]) => benches)
  const asks = (bench: Bench, part: string) => bench.name.toLowerCase().includes(part.toLowerCase())
  const vain = only.find((part) => !offered.some((bench) => asks(bench, part)))
  if (vain !== undefined) throw new Misused(`--only: no row has '${vain}' in its name; --list shows them all`)
  return offered.filter((bench) => only.length === 0 || only.some((part) => asks(bench, part)))
}
