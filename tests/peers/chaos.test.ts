// The short version of `npm run test:chaos`: processes of the built command are killed, and nothing that was promised is lost. Twice
// as long is allowed to be in sync: where the machine is shared, disks and caches are too, and nobody counts what is waited for them.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ended } from '../support/run-cli.ts'

const MAIN = fileURLToPath(new URL('../chaos/main.ts', import.meta.url))

test(
  'controllers and hosts that are killed twelve times lose no write and leak no frame',
  { timeout: 180_000 },
  async () => {
    const run = spawn(process.execPath, ['--import', 'tsx', MAIN, '--kills', '12', '--seed', '3', '--within', '4'], {
      stdio: 'pipe',
    })
    const { code, stdout, stderr } = await ended(run)
    expect({ code, said: stdout, stderr }).toEqual({
      code: 0,
      said: expect.stringMatching(/chaos: 12 kills, [1-9]\d* writes acknowledged, .* 0 leaked; .*: passed\n$/),
      stderr: '',
    })
  },
)
