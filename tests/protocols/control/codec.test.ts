import { describe, expect, test } from 'vitest'
import { decodeEnvelope, encodeEnvelope, envelopeXid } from '../../../protocols/control/codec.ts'
import { signalbox } from '../../../protocols/control/generated/control.js'
import type { Action, Envelope, FlowMod } from '../../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH } from '../../../protocols/control/messages.ts'
import { InvalidField, Malformed } from '../../../protocols/errors.ts'
import { FIELDS, OxmClass } from '../../../protocols/fields.ts'
import { seeded } from '../../../runtime/random.ts'
import { damaged } from '../../support/damaged-bytes.ts'
import { BASIC_ACTIONS, EVERYTHING, randomFlow, randomMatch } from '../../support/random-flows.ts'
import { MESSAGE_TYPES, randomMessage, randomMessageOf } from '../../support/random-messages.ts'
import { seeds } from '../../support/seeds.ts'

const { Envelope: Wire } = signalbox.control

const FIRST = 'instructions.apply[0]'
const REG0 = { oxmClass: OxmClass.NXM_NX, oxmField: 0, offset: 0 }

describe('what was encoded decodes to the same message', () => {
  test.each(MESSAGE_TYPES)('%s', (type) => {
    const random = seeded(1).fork(type)
    for (let i = 0; i < 60; i++) {
      const envelope: Envelope = { xid: random.uint32(), message: randomMessageOf(random, type) }
      expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope)
    }
  })

  test.each(FIELDS.map((field) => [field.name, field] as const))('matched, set, moved: %s', (name, field) => {
    const value = (field.ones / 3n) | 1n
    const whole = { field: name, offset: 0, bits: field.bits }
    const envelope = flowMod({
      match: [
        { field: name, value },
        { field: name, value: 1n, mask: field.ones },
      ],
      instructions: {
        clear: true,
        write: [],
        apply: [
          { type: 'set_field', field: name, value: field.ones },
          { type: 'move', from: whole, to: whole },
          { type: 'load', value: 1n, to: { field: name, offset: field.bits - 1, bits: 1 } },
        ],
      },
    })
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope)
  })
})

describe('nothing is left out', () => {
  test('every member of an envelope is a message that comes up, and every message a member', () => {
    const members = Object.keys(Wire.prototype).filter((name) => name !== 'xid' && name !== 'body')
    expect(members.toSorted()).toEqual([...MESSAGE_TYPES].toSorted())
  })

  test('every member of an action is an action that comes up', () => {
    const members = Object.keys(signalbox.control.Action.prototype).filter((name) => name !== 'kind')
    const seen = new Set<string>()
    const random = seeded(1)
    const note = (actions: readonly Action[]) => {
      for (const action of actions) {
        seen.add(action.type.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
        if ('actions' in action) note(action.actions)
      }
    }
    for (let i = 0; i < 3000; i++) note(randomFlow(random, EVERYTHING).instructions.apply)
    expect([...seen].toSorted()).toEqual(members.toSorted())
  })

  test('every field is matched', () => {
    const random = seeded(1)
    const seen = new Set(
      Array.from({ length: 3000 }, () => randomMatch(random, EVERYTHING)).flatMap((match) =>
        match.map(({ field }) => field),
      ),
    )
    expect(FIELDS.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([])
  })

  test('a flow without wishes has only what is usual', () => {
    const random = seeded(1)
    for (let i = 0; i < 500; i++) {
      const { apply, write } = randomFlow(random).instructions
      expect([...apply, ...write].filter(({ type }) => !BASIC_ACTIONS.has(type))).toEqual([])
    }
  })
})

test.each([0n, 1n, 0xffffffffn, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])(
  'a 64-bit cookie of %s arrives whole',
  (cookie) => {
    const envelope = flowMod({ cookie, cookieMask: cookie })
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope)
  },
)

test('a decoded frame does not change with the bytes it came from', () => {
  const bytes = encodeEnvelope({ xid: 0, message: { type: 'echoRequest', data: Uint8Array.of(1, 2, 3) } })
  const decoded = decodeEnvelope(bytes)
  bytes.fill(0)
  expect(decoded.message).toEqual({ type: 'echoRequest', data: Uint8Array.of(1, 2, 3) })
})

describe('bytes that are no envelope', () => {
  test.each(seeds(1))('cut short or with bits flipped, 20,000 give a message or a named error (seed %i)', (seed) => {
    const random = seeded(seed)
    let refused = 0
    for (let i = 0; i < 500; i++) {
      const bytes = encodeEnvelope({ xid: 1, message: randomMessage(random) })
      for (let j = 0; j < 40; j++) if (!isDecodable(damaged(random, bytes))) refused++
    }
    expect(refused).toBeGreaterThan(1000)
  })

  test('say where they end', () => {
    const bytes = encodeEnvelope(flowMod({}))
    expect(() => decodeEnvelope(bytes.subarray(0, bytes.length - 1))).toThrow(Malformed)
  })
})

describe('an envelope of the wrong shape names the field', () => {
  const cases: [string, object, string][] = [
    ['no body', {}, 'body'],
    ['an unknown command', { flowMod: { command: 9, flow: { instructions: {} } } }, 'command'],
    ['no command', { flowMod: { flow: { instructions: {} } } }, 'command'],
    ['no flow', { flowMod: { command: 1 } }, 'flow'],
    ['no instructions', { flowMod: { command: 1, flow: {} } }, 'instructions'],
    ['a table too high', flowWith({ table: 256 }), 'table'],
    ['an unknown field', flowWith({ match: [{ oxmClass: 0x8000, oxmField: 99, value: [1] }] }), 'match[0]'],
    ['a value too short', flowWith({ match: [{ oxmClass: 0x8000, oxmField: 11, value: [1, 2, 3] }] }), 'match.nw_src'],
    ['no value', flowWith({ match: [{ oxmClass: 0x8000, oxmField: 11 }] }), 'match.nw_src'],
    ['a value too wide', flowWith({ match: [{ oxmClass: 0x8000, oxmField: 7, value: [8] }] }), 'match.vlan_pcp'],
    ['an empty action', flowWith({ instructions: { apply: [{ output: 1 }, {}] } }), 'instructions.apply[1]'],
    [
      'an empty action in a clone',
      flowWith({ instructions: { apply: [{ clone: { actions: [{}] } }] } }),
      'instructions.apply[0].actions[0]',
    ],
    [
      'an empty action in a ct',
      flowWith({ instructions: { apply: [{ ct: { actions: [{}] } }] } }),
      'instructions.apply[0].actions[0]',
    ],
    ['an address of 5 bytes', applying({ nat: { firstAddress: new Uint8Array(5) } }), `${FIRST}.addresses.first`],
    [
      'a learned constant too short',
      applying({ learn: { specs: [{ bits: 16, value: [1] }] } }),
      `${FIRST}.specs[0].source.value`,
    ],
    ['a loaded value too wide', applying({ load: { value: [2], to: { ...REG0, bits: 1 } } }), `${FIRST}.value`],
    ['bits beyond the field', applying({ stackPush: { ...REG0, bits: 33 } }), `${FIRST}.from`],
    ['a group of no type', { groupMod: { command: 1, group: { group: 1 } } }, 'groupType'],
    [
      'an action in a bucket',
      { groupMod: { command: 1, group: { type: 1, buckets: [{ actions: [{}] }] } } },
      'buckets[0].actions[0]',
    ],
    ['a meter band of no type', { meterMod: { command: 1, meter: { bands: [{ rate: 1 }] } } }, 'bands[0].type'],
    ['an unknown reason', { setAsyncConfig: { primary: { packetIn: [99] }, secondary: {} } }, 'primary.packetIn'],
    ['an unknown family', { flushConnections: { original: { family: 5 } } }, 'filter.original.family'],
    ['half a move', flowWith({ instructions: { apply: [{ move: {} }] } }), 'instructions.apply[0].from'],
    ['an empty bundled message', { bundleAdd: { bundle: 1 } }, 'message'],
    ['a bundled flow', { bundleAdd: { bundle: 1, ...flowWith({ table: 300 }) } }, 'message.table'],
    ['a port of an unknown type', { portMod: { command: 1, port: { type: 77, state: 1 } } }, 'port.type'],
    ['no port', { portStatus: { reason: 1 } }, 'port'],
    ['an unknown error code', { error: { code: 200 } }, 'code'],
  ]

  test.each(cases)('%s', (_name, body, path) => {
    const bytes = Wire.encode({ xid: 7, ...body }).finish()
    expect(pathOf(bytes)).toBe(path)
    expect(envelopeXid(bytes)).toBe(7)
  })
})

test('a value that does not fit is refused when it is sent', () => {
  expect(() => encodeEnvelope(flowMod({ priority: 65536 }))).toThrow('priority')
  expect(() => encodeEnvelope(flowMod({ cookie: 2n ** 64n }))).toThrow('cookie')
  expect(() => encodeEnvelope(flowMod({ match: [{ field: 'vlan_pcp', value: 8n }] }))).toThrow('match.vlan_pcp')
})

describe('clones and cts within each other', () => {
  const nested = (depth: number): Action[] => {
    if (depth === 0) return [{ type: 'exit' }]
    const actions = nested(depth - 1)
    return depth % 2 === 0
      ? [{ type: 'clone', actions }]
      : [{ type: 'ct', commit: true, force: false, zone: 0, alg: 0, actions }]
  }
  const nestedFlow = (depth: number) => flowMod({ instructions: { apply: nested(depth), clear: false, write: [] } })
  const nestedWire = (depth: number): object =>
    depth === 0 ? { exit: {} } : { clone: { actions: [nestedWire(depth - 1)] } }

  test('may be as deep as the datapath goes', () => {
    expect(decodeEnvelope(encodeEnvelope(nestedFlow(MAX_CLONE_DEPTH)))).toEqual(nestedFlow(MAX_CLONE_DEPTH))
  })

  test('are refused where they are deeper, both ways', () => {
    const bytes = Wire.encode({ xid: 1, ...applying(nestedWire(MAX_CLONE_DEPTH + 1)) }).finish()
    expect(() => encodeEnvelope(nestedFlow(MAX_CLONE_DEPTH + 1))).toThrow(InvalidField)
    expect(() => decodeEnvelope(bytes)).toThrow(InvalidField)
  })
})

function flowMod(part: Partial<FlowMod>): Envelope {
  const flow = { ...randomFlow(seeded(1)), ...part }
  return { xid: 1, message: { cookieMask: 0n, ...flow, type: 'flowMod', command: 'add' } }
}

function flowWith(part: object) {
  return { flowMod: { command: 1, flow: { instructions: {}, ...part } } }
}

function applying(action: object) {
  return flowWith({ instructions: { apply: [action] } })
}

/** Whether there is a message in them; any other error than those that are agreed goes on. */
function isDecodable(bytes: Uint8Array): boolean {
  try {
    decodeEnvelope(bytes)
    return true
  } catch (error) {
    if (error instanceof Malformed || error instanceof InvalidField) return false
    throw error
  }
}

function pathOf(bytes: Uint8Array): string {
  try {
    decodeEnvelope(bytes)
  } catch (error) {
    if (error instanceof InvalidField) return error.path
    throw error
  }
  return 'no error'
}
