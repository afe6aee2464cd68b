import { expect, test } from 'vitest'
import { decodeEnvelope, encodeEnvelope } from '../../../protocols/control/codec.ts'
import type { BundledMessage, Envelope, MessageOf } from '../../../protocols/control/messages.ts'
import { flowOf } from '../../../protocols/control/messages.ts'
import { sharedMessages } from '../../../protocols/control/shared-messages.ts'
import { seeded } from '../../../runtime/random.ts'
import { damaged } from '../../support/damaged-bytes.ts'
import { randomMessage, randomMessageOf } from '../../support/random-messages.ts'

const outcome = (decode: () => Envelope): unknown => {
  try {
    return decode()
  } catch (error) {
    return error
  }
}

test('shared messages say what their bytes say, damaged ones too, and are refused likewise', () => {
  const random = seeded(1)
  const decode = sharedMessages()
  for (let i = 0; i < 300; i++) {
    const kinds = [
      randomMessage(random),
      randomMessageOf(random, 'bundleAdd'),
      randomMessageOf(random, 'flowStatisticsReply'),
    ]
    const message = kinds[i % 3]!
    const whole = encodeEnvelope({ xid: random.uint32(), message })
    for (const bytes of [whole, whole, damaged(random, whole)])
      expect(outcome(() => decode(bytes))).toEqual(outcome(() => decodeEnvelope(bytes)))
  }
})

test('what is bundled is one object whoever hears it, in whichever bundle, and stays as it is', () => {
  const random = seeded(2)
  const decode = sharedMessages()
  const bundledIn = (xid: number, bundle: number, message: BundledMessage): BundledMessage => {
    const decoded = decode(encodeEnvelope({ xid, message: { type: 'bundleAdd', bundle, message } }))
    return (decoded.message as MessageOf<'bundleAdd'>).message
  }
  for (let i = 0; i < 50; i++) {
    const flowMod = randomMessageOf(random, 'flowMod')
    const first = bundledIn(random.uint32(), random.uint32(), flowMod)
    expect(bundledIn(random.uint32(), random.uint32(), flowMod)).toBe(first)
    expect(() => ((first as { priority: number }).priority = 1)).toThrow(TypeError)
    expect(() => ((first as unknown as { match: unknown[] }).match.length = 9)).toThrow(TypeError)
  }
})

test('statistics of flows that are frozen are written as those of others', () => {
  const random = seeded(3)
  const decode = sharedMessages()
  for (let i = 0; i < 100; i++) {
    const message = randomMessageOf(random, 'flowStatisticsReply')
    const bytes = encodeEnvelope({ xid: 7, message })
    const flows = message.flows.map((flow) => ({ ...flow, packets: BigInt(random.uint32()) }))
    const counted = encodeEnvelope({ xid: 7, message: { ...message, flows } })
    const { message: shared } = decode(bytes) as { message: typeof message }
    expect(encodeEnvelope({ xid: 7, message: shared })).toEqual(bytes)
    const again = shared.flows.map((flow, index) => ({ ...flow, packets: flows[index]!.packets }))
    expect(encodeEnvelope({ xid: 7, message: { ...shared, flows: again } })).toEqual(counted)
    for (const flow of shared.flows) expect(Object.isFrozen(flowOf(flow)) && flowOf({ ...flow })).toBe(flowOf(flow))
  }
})
