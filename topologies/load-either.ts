import { loadScenario, isScenario } from './load-scenario.ts'
import { loadTopology, readInput } from './load-topology.ts'
import type { Scenario } from './scenario.ts'
import { isShape } from './shapes.ts'

/**
 * The scenario in `path`; or, where that is a topology or a stock shape, a scenario in which nothing happens and nothing in particular
 * is expected. Captures are then named against the current folder.
 * @throws InvalidInput with all that is wrong
 */
export async function loadScenarioOrTopology(path: string): Promise<Scenario> {
  if (!isShape(path) && isScenario(parsed(await readInput(path)))) return loadScenario(path)
  const topology = await loadTopology(path)
  return { name: topology.name, topology, folder: process.cwd(), seed: 1, timeline: [], expect: [] }
}

/** Broken JSON is for the loader to complain about. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
