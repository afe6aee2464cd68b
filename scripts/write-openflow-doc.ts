// Writes docs/openflow.md from the tables of the code: `npx tsx scripts/write-openflow-doc.ts`.
import { writeFileSync } from 'node:fs'
import { openflowDoc } from './openflow-doc.ts'

writeFileSync(new URL('../docs/openflow.md', import.meta.url), openflowDoc())
