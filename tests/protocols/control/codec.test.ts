import { describe, expect, test } from 'vitest'
import { decodeEnvelope, encodeEnvelope, envelopeXid } from '../../../protocols/control/codec.ts'
import { signalbox } from '../../../protocols/control/generated/control.js'
import type { Envelope, FlowMod } from '../../../protocols/control/messages.ts'
import { InvalidField, Malformed } from '../../../protocols/errors.ts'
import { seeded } from '../../../runtime/random.ts'
import { randomFlow } from '../../support/random-flows.ts'
import { randomMessage } from '../../support/random-messages.ts'

const { Envelope: Wire } = signalbox.control

test.each([1, 2, 3, 4, 5])('what was encoded decodes to the same message (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 1000; i++) {
    const envelope: Envelope = { xid: random.uint32(), message: randomMessage(random) }
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope)
  }
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
  test.each([1, 2, 3])('cut short or with bytes changed, they give a message or a named error (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let i = 0; i < 2000; i++) {
      const bytes = encodeEnvelope({ xid: 1, message: randomMessage(random) }).slice()
      for (let change = 0; change <= random.below(3); change++) bytes[random.below(bytes.length)] = random.below(256)
      const damaged = random.below(2) === 0 ? bytes : bytes.subarray(0, random.below(bytes.length))
      expect(() => tryDecode(damaged)).not.toThrow()
    }
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

function flowMod(part: Partial<FlowMod>): Envelope {
  const flow = { ...randomFlow(seeded(1)), ...part }
  return { xid: 1, message: { cookieMask: 0n, ...flow, type: 'flowMod', command: 'add' } }
}

function flowWith(part: object) {
  return { flowMod: { command: 1, flow: { instructions: {}, ...part } } }
}

function tryDecode(bytes: Uint8Array): void {
  try {
    decodeEnvelope(bytes)
  } catch (error) {
    if (!(error instanceof Malformed) && !(error instanceof InvalidField)) throw error
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
