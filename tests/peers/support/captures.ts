// Captures of real stacks: those of the examples, and whatever else is in the folder that SIGNALBOX_CAPTURES names.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const EXAMPLES = fileURLToPath(new URL('../../../topologies/examples/captures/', import.meta.url))
const more = process.env['SIGNALBOX_CAPTURES']

/** Where each is, by its name. */
export const captures: ReadonlyMap<string, string> = new Map(
  [EXAMPLES, ...(more === undefined ? [] : [more])].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.pcap(ng)?$/.test(name))
      .map((name) => [name, join(folder, name)] as const),
  ),
)
