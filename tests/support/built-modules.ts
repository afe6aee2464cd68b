// Tests of the product as it is built: where dist/ is of the sources as they are, what tests import comes from there, and is neither
// made out of TypeScript in each run nor handed to each worker.

import { dirname, resolve } from 'node:path'
import type { Plugin } from 'vitest/config'
import { builtOf, DIST, isBuilt } from './built.ts'

/** What Node.js loads by itself. */
const BUILT_MODULE = new RegExp(`^${DIST.replaceAll(/[^\w/]/g, '\\$&')}/`)

/** Resolves an import of a source to what is built of it; never in watch mode, whose sources change. */
export function builtModules(): Plugin {
  let built = false
  return {
    name: 'built-modules',
    enforce: 'pre',
    config: () => ({ test: { server: { deps: { external: [BUILT_MODULE] } } } }),
    configureVitest({ vitest: { config } }) {
      // Which tests a change concerns is told by what they import.
      built = !config.watch && config.related === undefined && config.changed === undefined && isBuilt()
    },
    resolveId(source, importer) {
      if (!built || importer === undefined || !source.startsWith('.')) return undefined
      return builtOf(resolve(dirname(importer), source))
    },
    load(id) {
      if (built && builtOf(id) !== undefined) throw new Error(`${id} would be loaded beside what is built of it`)
    },
  }
}
