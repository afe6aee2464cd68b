// From a scenario's file to a scenario.

import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Findings } from './findings.ts'
import { JsonSource } from './json-source.ts'
import { loadTopology, nameOf, readInput, readTopology } from './load-topology.ts'
import { InvalidInput, pointer } from './problems.ts'
import type { Draft } from './draft.ts'
import type { Expectation, Scenario, Step, TimelineEntry } from './scenario.ts'
import { checkExpectation, checkStep, Names } from './scenario-checks.ts'
import { isShape } from './shapes.ts'
import type { WrittenEntry, WrittenExpectation, WrittenScenario } from './schema/scenario.ts'
import { completeExpectation, completeStep } from './scenario-complete.ts'
import type { Topology } from './topology.ts'
import { parseDuration } from './units.ts'
import { validate } from './validate.ts'

const DEFAULT_SEED = 1

/** True for JSON that is a scenario rather than a topology. */
export const isScenario = (json: unknown): boolean =>
  typeof json === 'object' && json !== null && ('topology' in json || 'timeline' in json || 'expect' in json)

/** The scenario in the file `path`, with its topologies. @throws InvalidInput with all that is wrong, in any of the files. */
export async function loadScenario(path: string): Promise<Scenario> {
  const source = new JsonSource(await readInput(path), path)
  const findings = new Findings(source)
  if (source.value === undefined) throw new InvalidInput(findings.problems)
  const draft = validate('scenario', source.value, findings) as Draft<WrittenScenario> | undefined
  const reader = new ScenarioReader(findings, dirname(resolve(path)), dirname(path))
  const scenario = draft && (await reader.read(draft, nameOf(path)))
  findings.finish()
  return scenario!
}

class ScenarioReader {
  readonly #findings: Findings
  readonly #folder: string
  /** The folder as the user named it, for messages. */
  readonly #named: string
  readonly #topologies: Topology[] = []

  constructor(findings: Findings, folder: string, named: string) {
    this.#findings = findings
    this.#folder = folder
    this.#named = named
  }

  async read(draft: Draft<WrittenScenario>, name: string): Promise<Scenario | undefined> {
    const topology = await this.#topology(draft.topology, '/topology')
    const applied = new Map<number, Topology>()
    for (const [index, { apply }] of (draft.timeline ?? []).entries()) {
      const found = await this.#topology(apply, pointer('timeline', index, 'apply'))
      if (found !== undefined) applied.set(index, found)
    }
    await this.#checkCaptures(draft.timeline ?? [])
    this.#checkNames(draft)
    if (topology === undefined || this.#findings.problems.length > 0) return undefined
    return {
      name: draft.name ?? name,
      topology,
      folder: this.#folder,
      seed: draft.seed ?? DEFAULT_SEED,
      timeline: completeTimeline((draft.timeline ?? []) as WrittenEntry[], applied),
      expect: ((draft.expect ?? []) as WrittenExpectation[]).map((one): Expectation => completeExpectation(one)),
    }
  }

  async #topology(written: string | object | undefined, at: string): Promise<Topology | undefined> {
    if (written === undefined) return undefined
    const topology =
      typeof written === 'string'
        ? await this.#findings.gather(() => loadTopology(isShape(written) ? written : this.#pathOf(written)))
        : readTopology(written, at, at.slice(1), this.#findings)
    if (topology !== undefined) this.#topologies.push(topology)
    return topology
  }

  /** Relative to the folder, in the user's words. */
  #pathOf(path: string): string {
    const isAbsolute = resolve(path) === path
    return isAbsolute || this.#named === '.' ? path : `${this.#named}/${path}`
  }

  async #checkCaptures(timeline: readonly Draft<WrittenEntry>[]): Promise<void> {
    for (const [index, { replay }] of timeline.entries()) {
      const capture = replay?.capture
      if (capture === undefined) continue
      const problem = await captureProblem(resolve(this.#folder, capture))
      if (problem !== undefined)
        this.#findings.report(
          pointer('timeline', index, 'replay', 'capture'),
          `${problem} '${capture}'`,
          'a capture, relative to the scenario',
        )
    }
  }

  /** Without a sound topology nobody knows which names mean something. */
  #checkNames(draft: Draft<WrittenScenario>): void {
    if (this.#topologies.length === 0) return
    const names = new Names(this.#topologies)
    for (const [index, entry] of (draft.timeline ?? []).entries())
      checkStep(entry, pointer('timeline', index), names, this.#findings)
    for (const [index, expectation] of (draft.expect ?? []).entries())
      checkExpectation(expectation, pointer('expect', index), names, this.#findings.report)
  }
}

/** Why there is no capture at `path`; undefined where there may be one. */
async function captureProblem(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return 'no file'
  return found.isDirectory() ? 'this is a folder:' : undefined
}

/** In order of time; what happens at one instant stays in the order of the file. */
function completeTimeline(entries: readonly WrittenEntry[], applied: ReadonlyMap<number, Topology>): TimelineEntry[] {
  const timeline = entries.map((entry, index) => {
    const topology = applied.get(index)
    const step: Step = topology === undefined ? completeStep(entry) : { type: 'apply', topology }
    return { at: parseDuration(entry.at), step }
  })
  return timeline.sort((a, b) => a.at - b.at)
}
