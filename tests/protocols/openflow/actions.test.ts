import { describe, expect, test } from 'vitest'
import type { Action } from '../../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH, ReservedPort } from '../../../protocols/control/messages.ts'
import type { Match } from '../../../protocols/match.ts'
import { decodeActions, encodeActions } from '../../../protocols/openflow/actions.ts'
import { seeded } from '../../../runtime/random.ts'
import { codeOf, damaged, hex, readAll, spokenAsTheyAre, written } from '../../support/openflow-bytes.ts'
import { ACTION_REFUSALS } from '../../support/openflow-refusals.ts'
import { EVERYTHING, randomActions, randomMatch } from '../../support/random-flows.ts'
import { seeds } from '../../support/seeds.ts'

const bytesFor = (actions: readonly Action[], match: Match = []) =>
  written((writer) => encodeActions(writer, actions, match))
const read = (bytes: Uint8Array) => readAll(bytes, decodeActions)

test.each(seeds(1))('actions that were written are read again (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 800; i++) {
    const actions = spokenAsTheyAre(randomActions(random, randomMatch(random, EVERYTHING), 8, EVERYTHING))
    const bytes = bytesFor(actions)
    expect(bytes.length % 8).toBe(0)
    expect(read(bytes)).toEqual(actions)
  }
})

test('what was read does not change with the bytes it came from', () => {
  const actions: Action[] = [
    { type: 'note', data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    { type: 'controller', maxLength: 64, userdata: Uint8Array.of(7, 8) },
  ]
  // As a socket gives them: a slice of a Buffer is no copy.
  const bytes = Buffer.from(bytesFor(actions))
  const decoded = read(bytes)
  bytes.fill(0)
  expect(decoded).toEqual(actions)
})

describe('actions as others wrote them', () => {
  const reg0 = { field: 'reg0', offset: 0, bits: 32 } as const
  test.each<[string, Action]>([
    ['0000 0010 00000001 0000 000000000000', { type: 'output', port: 1 }],
    ['0000 0010 fffffffd 0080 000000000000', { type: 'controller', maxLength: 128 }],
    ['0015 0008 00000007', { type: 'set_queue', queue: 7 }],
    ['0018 0008 00000000', { type: 'dec_ttl' }],
    ['ffff 0010 00002320 0002 0000 00000007', { type: 'set_tunnel', id: 7n, wide: false }],
    ['ffff 0018 00002320 0009 000000000000 0000000700000008', { type: 'set_tunnel', id: 0x700000008n, wide: true }],
    ['0019 0010 80000806 02000000 0001 0000', { type: 'set_field', field: 'eth_src', value: 0x020000000001n }],
    [
      '0019 0010 00000002 fffe 000000000000',
      { type: 'set_field', field: 'in_port', value: BigInt(ReservedPort.Local) },
    ],
    // OpenFlow 1.1's set actions, which Open vSwitch says of OpenFlow 1.0's.
    ['0001 0008 0005 0000', { type: 'set_field', field: 'vlan_vid', value: 0x1005n }],
    ['0003 0010 020000000001 000000000000', { type: 'set_field', field: 'eth_src', value: 0x020000000001n }],
    ['0006 0008 0a000001', { type: 'set_field', field: 'nw_dst', value: 0x0a000001n }],
    ['0007 0008 b8 000000', { type: 'set_field', field: 'ip_dscp', value: 46n }],
    // The port's number under its name of 16 bits, and the traffic class with the DSCP in its upper six.
    [
      'ffff 0018 00002320 0006 0010 0000 0000 00000002 00010004',
      {
        type: 'move',
        from: { field: 'in_port', offset: 0, bits: 16 },
        to: { field: 'reg0', offset: 0, bits: 16 },
      },
    ],
    [
      'ffff 0018 00002320 0007 0007 00000a01 00000000000000b8',
      { type: 'load', value: 46n, to: { field: 'ip_dscp', offset: 0, bits: 6 } },
    ],
    [
      'ffff 0018 00002320 0007 0085 00000a01 000000000000002e',
      { type: 'load', value: 46n, to: { field: 'ip_dscp', offset: 0, bits: 6 } },
    ],
    // The ONF's copy_field, and the one of a field that only an experimenter has a header for.
    [
      'ffff 0020 4f4e4600 0c80 0000 0020 0000 0000 0000 00010004 80000408 00000000',
      { type: 'move', from: reg0, to: { field: 'metadata', offset: 0, bits: 32 } },
    ],
    [
      'ffff 0020 00002320 0006 0020 0000 0000 ffff5608 4f4e4600 00010004 00000000',
      { type: 'move', from: { field: 'actset_output', offset: 0, bits: 32 }, to: reg0 },
    ],
    ['ffff 0018 00002320 0020 001f ffff 00010004 000000000000', { type: 'output_reg', from: reg0, maxLength: 0xffff }],
    ['ffff 0010 00002320 0001 0005 00000000', { type: 'resubmit', port: 5 }],
    ['ffff 0010 00002320 000e fff8 03 000000', { type: 'resubmit', table: 3 }],
    [
      'ffff 0010 00002320 0014 0040 0003 02 00',
      { type: 'controller', maxLength: 64, controllerId: 3, reason: 'invalid_ttl' },
    ],
    ['ffff 0018 00002320 0024 0000 0001 0011 0a000001 0400 0000', natTo({ first: 1024, last: 1024 })],
    ['ffff 0018 00002320 0024 0000 0001 0031 0a000001 0400 0800', natTo({ first: 1024, last: 2048 })],
  ])('%s', (text, action) => {
    expect(read(hex(text))).toEqual([action])
  })

  function natTo(ports: { first: number; last: number }): Action {
    return { type: 'nat', direction: 'src', addresses: { family: 4, first: 0x0a000001n, last: 0x0a000001n }, ports }
  }
})

describe('what this wire says in other words', () => {
  const tagged: Match = [{ field: 'vlan_vid', value: 0x1005n }]
  const push: Action = { type: 'push_vlan', etherType: 0x8100 }
  const setVid: Action = { type: 'set_vlan_vid', vid: 7 }
  const asField: Action = { type: 'set_field', field: 'vlan_vid', value: 0x1007n }
  const asPriority: Action = { type: 'set_field', field: 'vlan_pcp', value: 3n }

  test.each<[string, Match, Action[], Action[]]>([
    ['a VLAN where there is a tag', tagged, [setVid], [asField]],
    ['a VLAN where none is known', [], [setVid], [push, asField]],
    ['a VLAN and then a priority', [], [setVid, { type: 'set_vlan_pcp', pcp: 3 }], [push, asField, asPriority]],
    ['a VLAN behind a push', [], [push, setVid], [push, asField]],
    ['a VLAN behind a pop', tagged, [{ type: 'pop_vlan' }, setVid], [{ type: 'pop_vlan' }, push, asField]],
    [
      'a VLAN in a clone, whose tag stays there',
      [],
      [{ type: 'clone', actions: [setVid] }, setVid],
      [{ type: 'clone', actions: [push, asField] }, push, asField],
    ],
  ])('%s', (_name, match, actions, spoken) => {
    expect(read(bytesFor(actions, match))).toEqual(spoken)
  })

  test('a tunnel of Open vSwitch is a field', () => {
    const set: Action = { type: 'set_tunnel', id: 7n, wide: false }
    expect(read(bytesFor([set]))).toEqual([{ type: 'set_field', field: 'tun_id', value: 7n }])
  })

  test('a load of more than 64 bits is two', () => {
    const load = (value: bigint, offset: number, bits: number): Action => ({
      type: 'load',
      value,
      to: { field: 'xxreg0', offset, bits },
    })
    expect(read(bytesFor([load((0x2an << 64n) | 7n, 8, 100)]))).toEqual([load(7n, 8, 64), load(0x2an, 72, 36)])
  })

  test('a port between 16 and 32 bits has no word in actions of 16 bits', () => {
    expect(codeOf(() => bytesFor([{ type: 'resubmit', port: 0x10000 }]))).toBe('OFPBAC_BAD_OUT_PORT')
  })
})

test.each(ACTION_REFUSALS)('%s is refused', (_name, text, code) => {
  expect(codeOf(() => read(hex(text)))).toBe(code)
})

describe('actions in each other', () => {
  test('clones go as deep as the switch takes them, with a ct in the innermost', () => {
    const ct: Action = { type: 'ct', commit: true, force: false, zone: 1, alg: 0, actions: [{ type: 'nat' }] }
    let actions: Action[] = [ct]
    for (let depth = 0; depth < MAX_CLONE_DEPTH; depth++) actions = [{ type: 'clone', actions }]
    expect(read(bytesFor(actions))).toEqual(actions)
  })

  /** As many clones in each other as a message has room for. */
  test.each([
    ['clones', '002a 000000000000', 16],
    ['ct actions', '0023 0001 00000000 0000 ff 000000 0000', 24],
  ])('%s in each other are refused, however many', (_name, rest, size) => {
    const count = Math.floor(65520 / size)
    const levels = Array.from({ length: count }, (_, level) => {
      const length = (size * (count - level)).toString(16).padStart(4, '0')
      return `ffff ${length} 00002320 ${rest}`
    })
    expect(codeOf(() => read(hex(levels.join(''))))).toBe('OFPBAC_BAD_ARGUMENT')
  })
})

test.each(seeds(1))('damaged actions are read or refused by OpenFlow names (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 3000; i++) {
    const actions = randomActions(random, randomMatch(random, EVERYTHING), 4, EVERYTHING)
    const bytes = damaged(random, bytesFor(actions))
    const code = codeOf(() => {
      const decoded = read(bytes)
      // What was taken can be said, and is understood the same.
      expect(read(bytesFor(decoded))).toEqual(read(bytesFor(read(bytesFor(decoded)))))
    })
    expect(code).toMatch(/^taken$|^OFPBAC_|^OFPBMC_|^NXB|^OFPBRC_BAD_LEN$|^OFPTFFC_|^NXFMFC_INVALID_TLV_FIELD$/)
  }
})
