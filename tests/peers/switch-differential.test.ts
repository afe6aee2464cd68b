// The same flows and frames through a real Open vSwitch and through ours: the same frames leave, byte for byte, by the same
// ports, in the same order. Every case is drawn from its own seed, which its name tells; to repeat one,
//
//   npx vitest run --project peers tests/peers/switch-differential.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs the Debian package openvswitch-switch; nobody need be root.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'
import { ovsInstalled } from './support/ovs.ts'
import { OvsTwin } from './support/ovs-twin.ts'
import { REWRITABLE, rewriteCase } from './support/rewrite-cases.ts'
import type { SwitchCase } from './support/switch-cases.ts'
import { PORTS, normalCase, pipelineCase } from './support/switch-cases.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const count = { cases: 0, frames: 0, copies: 0 }

describe.runIf(ovsInstalled())('beside Open vSwitch', () => {
  afterAll(() => {
    const { cases, frames, copies } = count
    console.log(
      `${cases} cases from seed ${seeds(1)[0]} on: ${frames} frames in, ${copies} out; to repeat one, add -t '(seed N)'`,
    )
  })

  // What its caches answer depends, in two matters, on the frames that came before: addresses are learned from the frames
  // that reach its slow path, and a third tag pushes one off the frame unless a frame with fewer tags has filled the cache.
  describe('with its caches on', () => {
    const twin = twinOf({ caches: true })

    test.each(seeds(100))('flows of OpenFlow 1.0 and its extensions do what they do there (seed %i)', async (seed) => {
      const { ours, theirs, asked } = await answers(twin(), pipelineCase(seeded(seed), 'OpenFlow10'))
      expect(ours, asked).toEqual(theirs)
    })
  })

  describe('with its caches off', () => {
    const twin = twinOf({ caches: false })

    test.each(seeds(150))('flows of OpenFlow 1.5 do what they do there (seed %i)', async (seed) => {
      const { ours, theirs, asked } = await answers(twin(), pipelineCase(seeded(seed), 'OpenFlow15'))
      expect(ours, asked).toEqual(theirs)
    })

    test.each(REWRITABLE.flatMap((field) => seeds(3).map((seed) => [field.name, seed, field] as const)))(
      '%s is written as it is there (seed %i)',
      async (_name, seed, field) => {
        const { ours, theirs, asked } = await answers(twin(), rewriteCase(seeded(seed), field))
        expect(ours, asked).toEqual(theirs)
      },
    )

    test.each(seeds(150))('NORMAL learns, floods and tags as it does there (seed %i)', async (seed) => {
      const { ours, theirs, asked } = await answers(twin(), normalCase(seeded(seed)))
      expect(ours, asked).toEqual(theirs)
    })
  })
})

function twinOf(options: { caches: boolean }): () => OvsTwin {
  let twin: OvsTwin | undefined
  beforeAll(async () => {
    twin = await OvsTwin.start({ ports: PORTS.length, ...options })
  })
  afterAll(() => twin?.stop())
  return () => twin!
}

/** What each frame of the case brought forth: the frame, and below it every copy that left. */
async function answers(twin: OvsTwin, asked: SwitchCase) {
  const ours = ourSwitch(asked)
  await twin.setFlows(asked.flows, asked.version)
  await twin.setVlans(asked.vlans)
  const answered: Record<'ours' | 'theirs', string[][]> = { ours: [], theirs: [] }
  for (const { bytes, port } of asked.frames) {
    const frame = `in at ${port}: ${hex(bytes)}`
    const copies = await twin.receive(bytes, port)
    answered.theirs.push([frame, ...copies])
    answered.ours.push([frame, ...byPort(ours.receive(bytes, port))])
    count.copies += copies.length
  }
  count.cases++
  count.frames += asked.frames.length
  return { ...answered, asked: describeCase(asked) }
}

function ourSwitch({ flows, vlans }: SwitchCase) {
  const local = { number: ReservedPort.Local, name: 'local', type: 'local' } as const
  const ours = testSwitch([...PORTS.map((number) => ({ number, ...vlans[number - 1] })), local])
  ours.sw.tables.applyBundle(flows.map((flow) => flowMod(flow)))
  return ours
}

/** Copies that left, in the order of the ports and then of leaving. */
const byPort = (heard: string[]) =>
  heard
    .filter((line) => !line.startsWith('drop'))
    .map((line) => ({ line, port: Number.parseInt(line) }))
    .sort((a, b) => a.port - b.port)
    .map(({ line }) => line)

const describeCase = ({ flows, vlans }: SwitchCase) =>
  [
    ...flows.map((flow) => printFlow(flow)),
    ...vlans.map((vlan, index) => `${index + 1}: ${JSON.stringify(vlan)}`),
  ].join('\n')
