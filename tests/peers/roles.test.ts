// Two controllers of a real Open vSwitch and of ours: who leads, and what the other hears of it, byte by byte.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Role } from '../../protocols/control/messages.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { OpenFlowSides } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

const claim = (role: Role, generationId: bigint) =>
  encodeOpenFlow({ xid: 7, message: { type: 'roleRequest', role, generationId } })
const hex = (said: readonly Uint8Array[]) => said.map((bytes) => Buffer.from(bytes).toString('hex'))
const ROLE_STATUS = '04040020000000004f4e46000000077700000003'

describe.runIf(ovsInstalled())('roles beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(1)
  })
  afterAll(() => sides.stop())

  test('a primary hears that another has taken its place, and nobody else does', async () => {
    await sides.reset()
    const second = await sides.join()
    const first: Pick<typeof second, 'ask'> = {
      ask: async (messages) => {
        const { ours, theirs } = await sides.ask(messages)
        return { ours: ours.messages, theirs: theirs.messages }
      },
    }
    const heard: string[][] = []
    const steps = [
      [first, claim('primary', 1n)],
      [second, claim('primary', 1n)],
      [second, claim('primary', 2n)],
      [first, claim('primary', 5n)],
      [first, claim('equal', 5n)],
      [second, claim('secondary', 5n)],
      [second, claim('primary', 3n)],
    ] as const
    for (const [who, asked] of steps) {
      for (const [one, messages] of [
        [who, asked],
        [who === first ? second : first, []],
      ] as const) {
        const { ours, theirs } = await one.ask(messages)
        expect(hex(ours)).toEqual(hex(theirs))
        heard.push(hex(ours))
      }
    }
    expect(heard.flat().filter((message) => message.startsWith(ROLE_STATUS))).toHaveLength(2)
  })
})
