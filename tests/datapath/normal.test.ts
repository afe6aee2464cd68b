import { describe, expect, test } from 'vitest'
import type { PortConfig } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import type { FrameVlan } from '../../protocols/packet/compose.ts'
import { SECOND } from '../../runtime/clock.ts'
import { MacTable } from '../../datapath/mac-table.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'

const MAC = { a: 0x020000000001n, b: 0x020000000002n, all: 0xffffffffffffn }

const frame = (vlan: readonly FrameVlan[], ethSrc = MAC.a, ethDst = MAC.b) =>
  udpFrame({ ethSrc, ethDst, vlan, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2, payload: new Uint8Array(20) })

/** A switch with one flow, NORMAL, and these ports, numbered from 1. */
function normalSwitch(...ports: Partial<PortConfig>[]) {
  const made = testSwitch(ports)
  const actions = [{ type: 'output', port: ReservedPort.Normal } as const]
  made.sw.tables.applyBundle([flowMod({ instructions: { apply: actions, clear: false, write: [] } })])
  return made
}

/** Tags of a frame in hexadecimal, as `port: 10` or `port: 10/5 20/0 (88a8)`. */
function tagsOf(line: string): string {
  const [port, bytes] = line.split(': ')
  if (bytes === undefined) return line
  const tags: string[] = []
  for (let at = 24; /^(8100|88a8)/.test(bytes.slice(at)); at += 8) {
    const tci = parseInt(bytes.slice(at + 4, at + 8), 16)
    tags.push(`${tci & 0xfff}/${tci >> 13}${bytes.startsWith('88a8', at) ? 's' : ''}`)
  }
  return `${port}: ${tags.join(' ') || '-'}`
}

/** One port of each mode: what a frame that comes in at the first one looks like where it leaves. */
const MODES: Partial<PortConfig>[] = [
  { vlanMode: 'access', tag: 10 },
  { vlanMode: 'access', tag: 20 },
  { vlanMode: 'trunk' },
  { vlanMode: 'trunk', trunks: [20, 30] },
  { vlanMode: 'native-tagged', tag: 10, trunks: [20] },
  { vlanMode: 'native-untagged', tag: 10, trunks: [20] },
  { vlanMode: 'dot1q-tunnel', tag: 10 },
  {},
]

// The frames that Open vSwitch 3.1 sends for these ports (`ofproto/trace`), but for the vNICs, which it does not have.
describe('a frame that floods', () => {
  test.each<[string, Partial<PortConfig>, FrameVlan[], string[]]>([
    [
      'untagged, into access 10',
      { vlanMode: 'access', tag: 10 },
      [],
      ['2: -', '4: 10/0', '6: 10/0', '7: -', '8: -', '9: 10/0'],
    ],
    [
      'priority-tagged, into access 10',
      { tag: 10 },
      [{ id: 0, priority: 5 }],
      ['2: -', '4: 10/5', '6: 10/5', '7: -', '8: -', '9: 10/5'],
    ],
    ['tagged, into access 10', { tag: 10 }, [{ id: 10 }], ['drop vlan_mismatch']],
    [
      'tagged 20, into a trunk',
      {},
      [{ id: 20, priority: 1 }],
      ['3: -', '4: 20/1', '5: 20/1', '6: 20/1', '7: 20/1', '9: 20/1'],
    ],
    ['tagged 10, into a trunk without it', { vlanMode: 'trunk', trunks: [20] }, [{ id: 10 }], ['drop vlan_mismatch']],
    ['untagged, into a trunk without VLAN 0', { vlanMode: 'trunk', trunks: [20] }, [], ['drop vlan_mismatch']],
    ['untagged, into a trunk of all', {}, [], ['4: -', '9: -']],
    [
      'untagged, into native 10',
      { vlanMode: 'native-untagged', tag: 10 },
      [],
      ['2: -', '4: 10/0', '6: 10/0', '7: -', '8: -', '9: 10/0'],
    ],
    [
      'tagged 10, into native 10',
      { vlanMode: 'native-tagged', tag: 10, trunks: [20] },
      [{ id: 10 }],
      ['2: -', '4: 10/0', '6: 10/0', '7: -', '8: -', '9: 10/0'],
    ],
    [
      'tagged 30, into native 10 with trunk 20',
      { vlanMode: 'native-tagged', tag: 10, trunks: [20] },
      [{ id: 30 }],
      ['drop vlan_mismatch'],
    ],
    [
      'tagged 5, into a tunnel of VLAN 10',
      { vlanMode: 'dot1q-tunnel', tag: 10 },
      [{ id: 5 }],
      ['4: 10/0s 5/0', '6: 10/0s 5/0', '7: 5/0', '8: 5/0', '9: 10/0s 5/0'],
    ],
    ['priority-tagged, into a trunk', {}, [{ id: 0, priority: 3 }], ['4: 0/3', '9: 0/3']],
    ['tagged 0 and then 20, into a trunk', {}, [{ id: 0 }, { id: 20 }], ['4: -', '9: -']],
    [
      'tagged 10 and then 20, into a trunk',
      {},
      [{ id: 10 }, { id: 20 }],
      ['4: 10/0 20/0', '6: 10/0 20/0', '7: 20/0', '8: 20/0', '9: 10/0 20/0'],
    ],
    [
      'tagged 5 and 20, into a tunnel of VLAN 10',
      { vlanMode: 'dot1q-tunnel', tag: 10 },
      [{ id: 5 }, { id: 20 }],
      ['4: 10/0s 5/0', '6: 10/0s 5/0', '7: 5/0', '8: 5/0', '9: 10/0s 5/0'],
    ],
    [
      'tagged 30, into native 10 without trunks',
      { vlanMode: 'native-tagged', tag: 10 },
      [{ id: 30 }],
      ['4: 30/0', '5: 30/0', '9: 30/0'],
    ],
    ['a vNIC without policy', { type: 'vnic' }, [], ['drop vlan_mismatch']],
    ['a vNIC that is a trunk of nothing', { type: 'vnic', vlanMode: 'trunk' }, [{ id: 10 }], ['drop vlan_mismatch']],
    [
      'a vNIC in VLAN 20',
      { type: 'vnic', tag: 20 },
      [],
      ['3: -', '4: 20/0', '5: 20/0', '6: 20/0', '7: 20/0', '9: 20/0'],
    ],
  ])('%s', (_name, ingress, vlan, expected) => {
    const { receive, arena } = normalSwitch(ingress, ...MODES)
    expect(receive(frame(vlan), 1).map(tagsOf)).toEqual(expected)
    expect(arena.live).toBe(0)
  })

  test('does not reach a vNIC that has no policy', () => {
    const { receive } = normalSwitch({}, { type: 'vnic' }, { type: 'vnic', vlanMode: 'native-tagged', tag: 9 }, {})
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(['4: -'])
  })
})

describe('learning', () => {
  test('a frame goes only to where its destination was seen, in that VLAN', () => {
    const { receive } = normalSwitch({ tag: 10 }, { tag: 10 }, { tag: 10 }, { tag: 20 }, {})
    receive(frame([], MAC.b, MAC.a), 2)
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(['2: -'])
    expect(receive(frame([]), 4).map(tagsOf)).toEqual(['5: 20/0'])
    expect(receive(frame([{ id: 10 }], MAC.b, MAC.a), 5).map(tagsOf)).toEqual(['1: -'])
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(['5: 10/0'])
  })

  test('a frame to its own side goes nowhere', () => {
    const { receive } = normalSwitch({}, {})
    receive(frame([], MAC.b, MAC.all), 1)
    expect(receive(frame([]), 1)).toEqual(['drop no_recipient'])
    expect(receive(frame([], MAC.a, MAC.a), 1)).toEqual(['drop no_recipient'])
  })

  test('an address is forgotten after 300 seconds, and when its port closes, moves or goes', async () => {
    const { sw, receive, clock } = normalSwitch({}, {}, {})
    const flooded = ['2: -', '3: -']
    const learn = () => receive(frame([], MAC.b, MAC.a), 2)
    learn()
    await clock.run(300 * SECOND - 1)
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(['2: -'])
    await clock.run(300 * SECOND)
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(flooded)
    learn()
    sw.ports.modify({ ...sw.ports.byNumber(2)!.config, trunks: [0, 1] })
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(flooded)
    learn()
    sw.ports.remove('p2')
    expect(receive(frame([]), 1).map(tagsOf)).toEqual(['3: -'])
  })

  test('the table is bounded: what was not seen for longest gives way', () => {
    const table = new MacTable({ capacity: 3 })
    for (const mac of [1, 2, 3, 1, 4]) table.learn(7, mac, mac, 0)
    expect([1, 2, 3, 4].map((mac) => table.lookup(7, mac, 0))).toEqual([1, undefined, 3, 4])
    expect(table.entries(0)).toHaveLength(3)
    expect(table.learn(7, Number(MAC.all), 1, 0)).toBe(false)
  })
})

test('what neighbouring bridges say to each other is not forwarded', () => {
  const { receive } = normalSwitch({}, {})
  expect(receive(frame([], MAC.a, 0x0180c2000000n), 1)).toEqual(['drop reserved_multicast'])
  expect(receive(frame([], MAC.a, 0x0180c2000010n), 1).map(tagsOf)).toEqual(['2: -'])
})
