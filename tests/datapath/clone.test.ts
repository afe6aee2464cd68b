import { describe, expect, test } from 'vitest'
import { Refused } from '../../protocols/control/refused.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import type { Action, FlowMod, MeterBand } from '../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH } from '../../protocols/control/messages.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { randomActions } from '../support/random-flows.ts'
import { randomFrame } from '../support/random-frames.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'
import { seeds } from '../support/seeds.ts'

const addresses = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
const udp = (options: object = {}) =>
  udpFrame({
    ...addresses,
    ipSrc: parseIpv4('10.0.0.1'),
    ipDst: parseIpv4('10.0.0.2'),
    srcPort: 1,
    dstPort: 2,
    payload: new Uint8Array(4),
    ...options,
  })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const clone = (...actions: Action[]): Action => ({ type: 'clone', actions })
const mod = (text: string): FlowMod => flowMod(parseFlow(text))

/** A switch of six ports and these flows, whose meters let one frame of `udp()` through and then none. */
function switchWith(...flows: string[]) {
  const made = testSwitch([{}, {}, {}, {}, {}, {}])
  const band: MeterBand = { type: 'drop', rate: 1000n, burst: BigInt(udp().length * 8) }
  for (const meter of [1, 2]) made.sw.meters.set({ meter, bands: [band] }, 0)
  made.sw.tables.applyBundle(flows.map(mod))
  return made
}

/** What leaves and what the controller is told when frames that come in at port 1 meet these actions. */
function outcome(frame: Uint8Array, actions: Action[]) {
  const { sw, receive, messages, arena } = testSwitch([{}, {}, { vlanMode: 'access', tag: 10 }, {}])
  sw.tables.applyBundle([flowMod({ instructions: { apply: actions, clear: false, write: [] } })])
  const ends = receive(frame, 1)
  expect(arena.live).toBe(0)
  return {
    heard: ends.filter((one) => !one.startsWith('drop')),
    messages: messages.filter(({ type }) => type === 'packetIn'),
    isImpossible: ends.includes('drop too_many_mpls_labels'),
  }
}

/** All but what ends more than its own list, and what is remembered beyond the frame. */
const KINDS = new Set<Action['type']>([
  'output',
  'output_reg',
  'output_trunc',
  'controller',
  'set_queue',
  'pop_queue',
  'push_vlan',
  'pop_vlan',
  'set_vlan_vid',
  'push_mpls',
  'pop_mpls',
  'push_pbb',
  'pop_pbb',
  'set_field',
  'load',
  'move',
  'stack_push',
  'stack_pop',
  'dec_ttl',
  'set_nw_ttl',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'copy_ttl_out',
  'copy_ttl_in',
  'ct_clear',
  'multipath',
  'bundle',
  'check_pkt_larger',
  'clone',
])

/** Actions that a flow for all frames may have. */
function acceptable(random: ReturnType<typeof seeded>): Action[] {
  for (;;) {
    const actions = randomActions(random, [], 4, { ports: [1, 2, 3, 4], actions: KINDS })
    try {
      testSwitch().sw.tables.applyBundle([flowMod({ instructions: { apply: actions, clear: false, write: [] } })])
      return actions
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
}

test.each(seeds(1))('clone(a),b does what a does, and then what b does (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 200; i++) {
    const frame = randomFrame(random)
    const a = acceptable(random)
    const b = acceptable(random)
    const first = outcome(frame, a)
    const second = outcome(frame, b)
    // As in Open vSwitch, what can not be done to a frame undoes what was decided until it was last read.
    if (first.isImpossible || second.isImpossible) continue
    expect(outcome(frame, [clone(...a), ...b])).toEqual({
      heard: [...first.heard, ...second.heard],
      messages: [...first.messages, ...second.messages],
      isImpossible: false,
    })
  }
})

describe('a meter in a clone', () => {
  const flows = [
    'actions=clone(resubmit(,1)),clone(resubmit(,2)),3',
    'table=1,actions=meter:1,push_vlan:0x8100,2',
    'table=2,actions=4',
  ]

  test('drops that copy, by name, and no other', () => {
    const { sw, receive, arena } = switchWith(...flows)
    const others = [`4: ${hex(udp())}`, `3: ${hex(udp())}`]
    expect(receive(udp(), 1)).toEqual([`2: ${hex(udp({ vlan: [{ id: 0 }] }))}`, ...others])
    expect(receive(udp(), 1)).toEqual(['drop rate_limited', ...others])
    expect(sw.drops.rate_limited).toBe(1)
    expect(arena.live).toBe(0)
  })

  test('ends each copy once where no copy at all is left', () => {
    const { receive, arena } = switchWith(
      'actions=clone(resubmit(,1)),clone(resubmit(,2))',
      'table=1,actions=meter:1,2',
      'table=2,actions=meter:2,3',
    )
    expect(receive(udp(), 1)).toEqual([`2: ${hex(udp())}`, `3: ${hex(udp())}`])
    expect(receive(udp(), 1)).toEqual(['drop rate_limited', 'drop rate_limited'])
    expect(arena.live).toBe(0)
  })

  test('leaves nothing to name at the end of a frame that nobody else was to have', () => {
    const { receive, arena } = switchWith('actions=clone(resubmit(,1))', 'table=1,actions=meter:1,controller')
    receive(udp(), 1)
    expect(receive(udp(), 1)).toEqual(['drop rate_limited'])
    expect(arena.live).toBe(0)
  })
})

describe('a clone', () => {
  test('sees what was done before, and undoes what it did itself', () => {
    const { receive } = switchWith('ip,actions=mod_nw_ttl:9,clone(mod_vlan_vid:5,mod_nw_ttl:3,2),3')
    expect(receive(udp(), 1)).toEqual([`2: ${hex(udp({ ttl: 3, vlan: [{ id: 5 }] }))}`, `3: ${hex(udp({ ttl: 9 }))}`])
  })

  test('gives registers back as they were', () => {
    const { receive } = switchWith(
      'actions=set_field:1->reg0,clone(set_field:2->reg0,resubmit(,1)),resubmit(,1)',
      'table=1,reg0=1,actions=2',
      'table=1,reg0=2,actions=3',
    )
    expect(receive(udp(), 1)).toEqual([`3: ${hex(udp())}`, `2: ${hex(udp())}`])
  })

  test('carries out the action set with what it adds, as in Open vSwitch, and leaves the set as it was', () => {
    const { receive } = switchWith(
      'actions=write_actions(output:2),goto_table:1',
      'table=1,actions=clone(3),clone(resubmit(,2))',
      'table=2,actions=write_actions(output:4)',
    )
    expect(receive(udp(), 1).map((one) => one[0])).toEqual(['3', '2', '4', '2'])
  })

  test('whose TTL is up ends without the actions behind it', () => {
    const { receive, messages } = switchWith('ip,actions=clone(dec_ttl,2),3')
    expect(receive(udp({ ttl: 1 }), 1)).toEqual([`3: ${hex(udp({ ttl: 1 }))}`])
    expect(messages.filter(({ type }) => type === 'packetIn')).toMatchObject([
      { type: 'packetIn', reason: 'invalid_ttl' },
    ])
  })

  test('of nothing does nothing', () => {
    expect(switchWith('actions=clone(drop)').receive(udp(), 1)).toEqual(['drop drop_action_of_pipeline'])
    expect(switchWith('actions=clone(drop),2').receive(udp(), 1)).toEqual([`2: ${hex(udp())}`])
  })

  test('counts the flows that its copy met', () => {
    const { receive, sw } = switchWith('actions=clone(resubmit(,1)),2', 'table=1,actions=3')
    receive(udp(), 1)
    expect([...sw.tables].map((flow) => flow.packets)).toEqual([1, 1])
  })

  test('in clones without end drops the frame whole', () => {
    const { receive, arena } = switchWith('actions=2,clone(push_vlan:0x8100,clone(resubmit(,0)),2)')
    expect(receive(udp(), 1)).toEqual(['drop recursion_too_deep'])
    expect(arena.live).toBe(0)
  })

  test('is refused in too many others', () => {
    const nested = (depth: number): Action => (depth === 0 ? { type: 'output', port: 2 } : clone(nested(depth - 1)))
    const { sw } = testSwitch([{}, {}])
    const add = (depth: number) =>
      sw.tables.applyBundle([flowMod({ instructions: { apply: [nested(depth)], clear: false, write: [] } })])
    add(MAX_CLONE_DEPTH)
    expect(() => add(MAX_CLONE_DEPTH + 1)).toThrow(expect.objectContaining({ code: 'OFPBAC_BAD_ARGUMENT' }))
  })
})
