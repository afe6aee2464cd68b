import { afterAll, beforeAll, describe } from 'vitest'
import { LinuxTracker, linuxTrackerRefused } from './linux-tracker.ts'

/** What is compared with the kernel's tracker, of which all tests use one; skipped, with the reason, where it can not be asked. */
export function besideLinux(what: string, compare: (rig: { linux: LinuxTracker }) => void): void {
  const refused = linuxTrackerRefused()
  describe.skipIf(refused !== undefined)(`${what} beside Linux${refused === undefined ? '' : ` (${refused})`}`, () => {
    // Filled in before the first test.
    const rig = {} as { linux: LinuxTracker }
    beforeAll(async () => {
      rig.linux = await LinuxTracker.start()
    })
    afterAll(() => rig.linux?.stop())
    compare(rig)
  })
}
