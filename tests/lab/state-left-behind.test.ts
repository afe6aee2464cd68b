// Connections move with their VM. Where they are left behind, as here on purpose, the judge finds it.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { RemoteSwitch } from '../../controller/southbound/remote-switch.ts'
import { replay } from '../../lab/replay.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'

const example = fileURLToPath(new URL('../../topologies/examples/stateful-web-tier.json', import.meta.url))

const verdictOf = async () => (await replay(await loadScenarioOrTopology(join(example)))).verdict

afterEach(() => vi.restoreAllMocks())

test('a web server moved amid its connections loses none of them', async () => {
  const { verdict, frames, migrations, losses } = await verdictOf()
  expect(losses).toEqual([])
  expect(frames).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, leaked: 0 })
  expect(migrations[0]).toMatchObject({ state: 'done', lost: 0, policy: 'identical' })
  expect(verdict).toBe('pass')
})

test('without the state of its connections they break, and the verdict says so', async () => {
  const install = RemoteSwitch.prototype.installVnicState
  vi.spyOn(RemoteSwitch.prototype, 'installVnicState').mockImplementation(function (this: RemoteSwitch, state, zone) {
    return install.call(this, { ...state, connections: [] }, zone)
  })
  const { verdict, frames, losses } = await verdictOf()
  expect(verdict).toBe('fail')
  expect(frames.lost).toBeGreaterThan(10)
  expect(frames.leaked).toBe(0)
  expect(new Set(losses.map(({ reason }) => reason))).toEqual(new Set(['security_group']))
})
