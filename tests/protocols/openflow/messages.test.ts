import { expect, test } from 'vitest'
import { MESSAGE_TYPES, randomMessageOf } from '../../support/random-messages.ts'
import { asOpenFlowSays, soundly, WITHOUT_FORM } from '../../support/openflow-forms.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { seeded } from '../../../runtime/random.ts'

const SPOKEN = MESSAGE_TYPES.filter((type) => !WITHOUT_FORM.has(type))

test.each(SPOKEN)('%s comes back as it was sent, but for what OpenFlow has no words for', (type) => {
  const random = seeded(7).fork(type)
  for (let round = 0; round < 60; round++) {
    const message = soundly(randomMessageOf(random, type))
    const [bytes, ...more] = encodeOpenFlow({ xid: round, message })
    expect(more).toEqual([])
    expect(decodeOpenFlow(bytes!)).toEqual({ xid: round, message: asOpenFlowSays(message) })
  }
})
