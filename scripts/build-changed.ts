// Before `npm test`: builds dist/ anew where the sources have changed since, once and not as each test starts the command line.
// Where that fails, tests run the sources.

import { spawnSync } from 'node:child_process'
import { isBuilt } from '../tests/support/built.ts'

if (!isBuilt()) spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' })
