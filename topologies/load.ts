// START HERE: from the files that people write to topologies and scenarios, or to all that is wrong with them.

export { isScenario, loadScenario } from './load-scenario.ts'
export { loadScenarioOrTopology } from './load-either.ts'
export { loadTopology, parseTopology } from './load-topology.ts'
export { formatProblems, InvalidInput } from './problems.ts'
export type { Problem } from './problems.ts'
