// A short version of `npm run bench -- --only "under a stream"`: processes, real sockets, a controller that is killed. A machine that is
// busy loses nothing at this rate: what waits while nobody has a turn fits into the sockets.

import { expect, onTestFinished, test } from 'vitest'
import { StreamSite } from '../../bench/stream/site.ts'

const RATE = 2000
const FLOWS = 5000

test.each(['stream', 'dgram'] as const)(
  'a stream over %s wires loses nothing while the controller is killed and starts again, and no flow is sent anew',
  async (joint) => {
    const site = await StreamSite.start(joint, RATE, FLOWS, ['--import', 'tsx'])
    onTestFinished(() => site.stop())
    await site.window()
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const calm = await site.window()
    await site.restart()
    const restarted = await site.window()
    expect(calm.sent).toBeGreaterThan(RATE)
    expect(restarted.sent).toBeGreaterThan(RATE)
    expect([calm.lost, restarted.lost, await site.flowMessages()]).toEqual([0, 0, 0])
  },
)
