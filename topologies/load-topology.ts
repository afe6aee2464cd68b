// From a topology's file to a topology.

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { checkTopology } from './checks.ts'
import { completeTopology } from './complete.ts'
import type { TopologyDraft } from './draft.ts'
import type { Report } from './findings.ts'
import { attempt, Findings, within } from './findings.ts'
import { JsonSource } from './json-source.ts'
import { InvalidInput } from './problems.ts'
import { scopeNames } from './scope-names.ts'
import type { WrittenShape, WrittenTopology } from './schema/topology.ts'
import { isShape, shapeTopology, writeShape } from './shapes.ts'
import type { Topology } from './topology.ts'
import { validate } from './validate.ts'

/** The topology in the file `path`, or of the stock shape that it names. @throws InvalidInput with all that is wrong. */
export async function loadTopology(path: string): Promise<Topology> {
  return isShape(path) ? topologyOfShape(path) : parseTopology(await readInput(path), path)
}

/** @throws InvalidInput with all that is wrong. */
export function parseTopology(text: string, file: string): Topology {
  const source = new JsonSource(text, file)
  const findings = new Findings(source)
  if (source.value === undefined) throw new InvalidInput(findings.problems)
  const draft = validate('topology', source.value, findings)
  const topology = draft && readTopology(draft, '', nameOf(file), findings)
  findings.finish()
  return topology!
}

/**
 * What is left of a topology after the schema, looked at further: cross-checked, and completed where nothing was
 * found wrong with it.
 */
export function readTopology(draft: object, at: string, name: string, findings: Findings): Topology | undefined {
  const written = 'shape' in draft ? expandShape(draft as WrittenShape, at, findings) : draft
  if (written === undefined) return undefined
  const scoped = scopeNames(written as TopologyDraft)
  checkTopology(scoped, 'shape' in draft ? onShape(at, findings) : within(at, findings.report))
  return !findings.hasAny(at) ? completeTopology(scoped as WrittenTopology, name) : undefined
}

/** What is wrong with a topology that was made from a shape is wrong with the shape. */
const onShape =
  (at: string, findings: Findings): Report =>
  (_, ...finding) =>
    findings.report(`${at}/shape`, ...finding)

function expandShape(
  { name, shape, ...options }: WrittenShape,
  at: string,
  findings: Findings,
): WrittenTopology | undefined {
  if (typeof shape !== 'string' || findings.hasAny(at)) return undefined
  const written = attempt(findings.report, `${at}/shape`, () => writeShape(shape, options))
  return written && { ...written, name: name ?? shape }
}

function topologyOfShape(shape: string): Topology {
  const findings = new Findings(new JsonSource(JSON.stringify(shape), shape))
  const topology = attempt(findings.report, '', () => shapeTopology(shape))
  findings.finish()
  return topology!
}

/** `two-tenants` for `examples/two-tenants.json` */
export const nameOf = (file: string): string => basename(file).replace(/\.json$/, '') || file

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'the file may not be read',
  EISDIR: 'this is a folder',
}

/** The file as text. @throws InvalidInput where it can not be read. */
export async function readInput(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const problem = SYSTEM_ERRORS[code] ?? `the file can not be read (${code})`
    throw new InvalidInput([{ file: path, pointer: '', line: 0, column: 0, problem, expected: 'a JSON file' }])
  }
}
