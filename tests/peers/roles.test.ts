// Two controllers of a real Open vSwitch and of ours: who leads, and what the other hears of it, byte by byte.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FragmentHandling, Message, Role } from '../../protocols/control/messages.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import type { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import { OpenFlowSides } from './support/openflow-sides.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'
import { RunningSwitch } from './support/switch-run.ts'
import { waitingController } from './support/waiting-controller.ts'

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

  test('how fragments are seen is no affair of a secondary that was dialled', async () => {
    const there = await waitingController()
    const here = await waitingController()
    const ovs = await startOvs()
    await ovs.addBridge('br0')
    await ovs.vsctl('set-controller', 'br0', there.target)
    const running = await RunningSwitch.start({ ports: 1, words: ['--controller', here.target] })
    try {
      const [theirs, ours] = await Promise.all([there, here].map(async ({ dialled }) => configured(await dialled)))
      expect(ours).toEqual(theirs)
      expect(ours).toEqual(['drop 7', 'drop 8', 'nx-match 9', 'normal 11'])
    } finally {
      await running.stop()
      await ovs.stop()
      await Promise.all([there.close(), here.close()])
    }
  })
})

const STEPS: readonly [Role, FragmentHandling, number][] = [
  ['equal', 'drop', 7],
  ['secondary', 'normal', 8],
  ['primary', 'nx-match', 9],
  ['primary', 'normal', 11],
]

/** The configuration after each step. */
async function configured(connection: OpenFlowConnection): Promise<string[]> {
  const heard: string[] = []
  const done = new Promise<void>((resolve) => {
    connection.onMessage = (message) => {
      if (message.type === 'configReply') heard.push(`${message.fragments} ${message.missSendLength}`)
      if (heard.length === STEPS.length) resolve()
    }
  })
  for (const [role, fragments, missSendLength] of STEPS) {
    const messages: Message[] = [
      { type: 'roleRequest', role, generationId: 1n },
      { type: 'setConfig', fragments, missSendLength },
      { type: 'configRequest' },
    ]
    for (const message of messages) connection.send(message)
  }
  await done
  connection.close()
  return heard
}
