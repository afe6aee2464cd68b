// Label stack entries pushed, popped and written by a real Open vSwitch and by rewrite.ts: the same bytes. To repeat one case,
//
//   npx vitest run --project peers tests/peers/rewrite-mpls.test.ts -t '(seed 17)'
//
// Needs the Debian package openvswitch-switch; nobody need be root.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ETHERNET_HEADER_SIZE } from '../../datapath/flow-key.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { applySet, popMpls, pushMpls } from '../../datapath/rewrite.ts'
import { MAX_LABELS, Word } from '../../protocols/fields.ts'
import { announcesLabels } from '../../protocols/packet/mpls.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { pick } from '../support/random-flows.ts'
import { damagedFrame, randomFrame } from '../support/random-frames.ts'
import { keyOf } from '../support/random-keys.ts'
import { seeds } from '../support/seeds.ts'
import { GrowingCapture } from './support/growing-capture.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const BRIDGE = 'labels'
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

interface Step {
  /** As flow text. */
  text: string
  apply: (arena: FrameArena, frame: FrameHandle) => void
}

const BOTTOM = 0x100

function pushed(random: Random, hasLabels: boolean): Step {
  const etherType = pick(random, [0x8847, 0x8848])
  const [label, trafficClass, ttl] = [random.below(1 << 20), random.below(8), random.below(256)]
  const entry = ((label << 12) | (trafficClass << 9) | (hasLabels ? 0 : BOTTOM) | ttl) >>> 0
  const sets = [`set_field:${label}->mpls_label`, `set_field:${trafficClass}->mpls_tc`, `set_mpls_ttl(${ttl})`]
  return {
    text: [`push_mpls:0x${etherType.toString(16)}`, ...sets].join(),
    apply: (arena, frame) => pushMpls(arena, frame, etherType, entry),
  }
}

function written(random: Random): Step {
  const [label, trafficClass] = [random.below(1 << 20), random.below(8)]
  const value = ((label << 12) | (trafficClass << 9)) >>> 0
  return {
    text: `set_field:${label}->mpls_label,set_field:${trafficClass}->mpls_tc`,
    apply: (arena, frame) => applySet(arena, frame, Word.mpls, value, 0xfffffe00),
  }
}

function popped(random: Random, isLast: boolean): Step {
  const etherType = isLast ? pick(random, [0x0800, 0x86dd, 0x9999]) : pick(random, [0x8847, 0x8848])
  return {
    text: `pop_mpls:0x${etherType.toString(16)}`,
    apply: (arena, frame) => popMpls(arena, frame, etherType),
  }
}

/** Steps that leave the stack no higher than Open vSwitch can see it, and a match under which it takes them. */
function randomSteps(random: Random, bytes: Uint8Array): { match: string; steps: Step[] } {
  const key = keyOf(bytes)
  const etherType = key[Word.etherType]!
  const entries = Array.from(key.subarray(Word.mpls, Word.mpls + MAX_LABELS)).filter((entry) => entry !== 0)
  // Below a stack whose bottom does not show there may be any number of labels: those are left alone.
  const isWhole = entries.length > 0 && (entries.at(-1)! & BOTTOM) !== 0
  let height = announcesLabels(etherType) ? (isWhole ? entries.length : MAX_LABELS) : 0
  const steps: Step[] = []
  for (let count = 1 + random.below(4); count > 0; count--) {
    if (height > 0 && entries.length > 0) steps.push(written(random))
    if (height === 0 || (height < MAX_LABELS && random.below(3) > 0)) steps.push(pushed(random, height++ > 0))
    else if (height > 0 && (isWhole || !announcesLabels(etherType))) steps.push(popped(random, --height === 0))
    if (height === 0) break
  }
  return { match: `in_port=1,dl_type=0x${etherType.toString(16)}`, steps }
}

describe.runIf(ovsInstalled())('beside Open vSwitch', () => {
  let ovs: Ovs
  let sent: GrowingCapture

  beforeAll(async () => {
    ovs = await startOvs()
    await ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:vlan-limit=0')
    await ovs.addBridge(BRIDGE)
    await ovs.addPort(BRIDGE, 'in', 1)
    sent = new GrowingCapture(await ovs.addPort(BRIDGE, 'out', 2))
  })
  afterAll(async () => {
    sent.close()
    await ovs.stop()
  })

  test.each(seeds(150))('labels are the same (seed %i)', async (seed) => {
    const random = seeded(seed)
    const drawn = pick(random, [randomFrame, randomFrame, damagedFrame])(random)
    const bytes = drawn.length < ETHERNET_HEADER_SIZE ? randomFrame(random) : drawn
    const { match, steps } = randomSteps(random, bytes)
    // Each step shows: a label that is put on and taken off again unseen leaves no trace there, not even in the ethertype.
    const flow = `${match},actions=${steps.map(({ text }) => `${text},output:2`).join()}`
    await ovs.ofctl('-O', 'OpenFlow13', 'add-flow', ovs.bridge(BRIDGE), flow)
    await ovs.appctl('revalidator/purge')
    await ovs.receive('in', bytes)
    const theirs = sent.read().map(hex)
    await ovs.ofctl('del-flows', ovs.bridge(BRIDGE))
    const arena = new FrameArena()
    const frame = arena.allocateFrom(bytes)
    const ours = steps.map(({ apply }) => {
      apply(arena, frame)
      return hex(arena.read(frame))
    })
    expect(ours, `${hex(bytes)}\n${flow}`).toEqual(theirs)
  })
})
