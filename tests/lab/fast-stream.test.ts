// A million frames a second towards a VM that is moved: what arrives while it is paused is held, and no more than that.

import { expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { parseDuration } from '../../topologies/units.ts'

const RATE = 1_000_000
const PAUSE = 2 * MILLISECOND
const FRAMES = 4000

const nic = (number: number, securityGroups: string[]) => ({
  name: 'eth0',
  network: 'blue',
  mac: `02:00:00:00:00:0${number}`,
  addresses: [`10.0.0.${number}`],
  policy: { securityGroups },
})

const scenario = (type: string, bytes?: number): Scenario => ({
  name: 'fast-stream',
  topology: parseTopology(
    JSON.stringify({
      version: 1,
      name: 'fast-stream',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 100 }],
      securityGroups: [
        { name: 'source', rules: [{ direction: 'egress' }] },
        { name: 'sink', rules: [{ direction: 'ingress', protocol: 'udp', remoteGroup: 'source' }] },
      ],
      vms: [
        { name: 'a', host: 'h1', nics: [nic(1, ['source'])] },
        { name: 'b', host: 'h2', nics: [nic(2, ['sink'])] },
      ],
    }),
    'fast-stream.json',
  ),
  folder: '.',
  seed: 1,
  timeline: [
    {
      at: 0,
      step: {
        type: 'send',
        from: 'a',
        frame: 'udp,dl_dst=02:00:00:00:00:02,nw_dst=10.0.0.2,tp_src=1000,tp_dst=5004',
        count: FRAMES,
        rate: RATE,
      },
    },
    {
      at: MILLISECOND,
      step: { type: 'migrate', vm: 'b', to: 'h3', pause: PAUSE, ...(bytes && { hold: { bytes } }) },
    },
  ],
  expect: [],
})

test.each(['vlan', 'vxlan'])(
  'none is lost, doubled or out of order, and those of the pause are held (%s)',
  async (type) => {
    const { verdict } = await replay(scenario(type))
    const clean = { lost: 0, duplicated: 0, reordered: 0, leaked: 0 }
    expect(verdict.frames).toMatchObject({ injected: FRAMES, delivered: FRAMES, ...clean })
    const [{ held, state, policy, steps }] = verdict.migrations as [(typeof verdict.migrations)[number]]
    expect({ state, policy }).toEqual({ state: 'done', policy: 'identical' })
    const ofPause = (PAUSE / 1e9) * RATE
    expect(held).toBeGreaterThanOrEqual(ofPause)
    // Until the guest pauses, all is delivered where it runs.
    const paused = MILLISECOND + parseDuration(steps.prepare!)
    expect(held).toBeLessThanOrEqual(FRAMES - (paused / 1e9) * RATE)
  },
)

test('no more is held than may be, and what is beyond ends by name', async () => {
  const bytes = 60_000
  const { verdict } = await replay(scenario('vlan', bytes))
  const { frames, losses, migrations } = verdict
  expect(frames).toMatchObject({
    injected: FRAMES,
    delivered: FRAMES - frames.lost,
    duplicated: 0,
    reordered: 0,
    leaked: 0,
  })
  expect(frames.lost).toBeGreaterThan(0)
  expect(new Set(losses.map(({ reason }) => reason))).toEqual(new Set(['hold_overflow']))
  // Both places hold meanwhile, and a frame has 60 bytes.
  expect(migrations[0]!.held * 60).toBeLessThanOrEqual(2 * bytes)
})
