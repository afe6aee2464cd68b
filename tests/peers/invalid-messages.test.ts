// Messages that are each wrong in one way, for a real Open vSwitch and for ours: the same error from both, or a difference that
// docs/openflow.md has the reason of.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { INVALID_MESSAGES, PREPARATION } from './support/invalid-messages.ts'
import { OpenFlowSides, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

/** What ours says and what Open vSwitch says, where that is not the same. */
const DIFFERENT: Readonly<Record<string, readonly [string, string]>> = {
  'a flow request for table 254': ['OFPBRC_BAD_TABLE_ID', ''],
  'table 254 to configure': ['OFPTMFC_BAD_TABLE', 'OFPTMFC_EPERM'],
  'set_field of a field that nobody knows': ['OFPBAC_BAD_SET_TYPE', 'OFPBAC_BAD_SET_LEN'],
  'a group that leads back to itself': ['OFPGMFC_LOOP', ''],
  'a bucket that sends to a group that is not there': ['OFPBAC_BAD_OUT_GROUP', ''],
  'a modify of no flow, with a group that there is none of': ['OFPBAC_BAD_OUT_GROUP', ''],
  'a modify of no flow, with a meter that there is none of': ['OFPMMFC_INVALID_METER', ''],
  'a strict modify of no flow, with a meter that there is none of': ['OFPMMFC_INVALID_METER', ''],
  'a bucket to insert, as of OpenFlow 1.5': ['OFPGMFC_BAD_COMMAND', 'OFPGMFC_BAD_BUCKET'],
  'a bucket to insert, as of OpenFlow 1.3': ['OFPGMFC_BAD_COMMAND', '10 of 0x2320'],
  'a bucket to remove, as of OpenFlow 1.5': ['OFPGMFC_BAD_COMMAND', 'OFPGMFC_BAD_BUCKET'],
  'a bucket to remove, as of OpenFlow 1.3': ['OFPGMFC_BAD_COMMAND', ''],
  'a port number between ports': ['OFPPMFC_BAD_PORT', 'OFPBAC_BAD_OUT_PORT'],
  'a packet-out from a number between ports': ['OFPBRC_BAD_PORT', 'OFPBAC_BAD_OUT_PORT'],
  'a bundle command that there is none of': ['2306 of 0x4f4e4600', ''],
}

const ERROR = 1
/** The header of a message, and the type and code of an error. */
const DATA = 12
/** OpenFlow 1.3 §7.4.4: at least so many bytes of the message that failed. */
const LEAST_DATA = 64

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const errors = (said: readonly Uint8Array[]) => said.filter((bytes) => bytes[1] === ERROR)
const named = (said: readonly Uint8Array[]) =>
  errors(said)
    .map((bytes) => told(bytes).split(': error ')[1])
    .join()

describe.runIf(ovsInstalled())('invalid messages beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(4)
  })
  afterAll(() => sides.stop())

  test.each(INVALID_MESSAGES)('%s', async (name, hex) => {
    await sides.reset()
    const before = await sides.ask(PREPARATION.map(bytesOf))
    expect([named(before.ours.messages), named(before.theirs.messages)]).toEqual(['', ''])
    const { ours, theirs } = await sides.ask([bytesOf(hex)])
    const [here, there] = [named(ours.messages), named(theirs.messages)]
    expect([here, there]).toEqual(DIFFERENT[name] ?? [there, there])
    expect(here + there, 'one of the two refuses it').not.toBe('')
    for (const error of errors(ours.messages)) {
      const kept = Buffer.from(error)
        .toString('hex')
        .slice(2 * DATA)
      const data = told(error).includes(' of 0x') ? kept.slice(8) : kept
      expect(data.slice(0, 2 * LEAST_DATA)).toBe(hex.slice(0, 2 * LEAST_DATA))
    }
  })
})
