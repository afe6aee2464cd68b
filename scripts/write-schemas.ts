// Writes the JSON Schemas that are shipped from their one definition: `npx tsx scripts/write-schemas.ts`.
import { writeFileSync } from 'node:fs'
import { scenarioSchema } from '../topologies/schema/scenario.ts'
import { topologySchema } from '../topologies/schema/topology.ts'

for (const schema of [topologySchema, scenarioSchema]) {
  const path = new URL(`../topologies/${schema.$id}`, import.meta.url)
  writeFileSync(path, JSON.stringify(schema, null, 2) + '\n')
}
