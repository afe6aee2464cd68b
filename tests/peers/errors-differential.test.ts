// Messages that something has happened to on the way, for a real Open vSwitch and for ours: the same are refused, by the same error.
// Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/errors-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { viewOf } from '../../protocols/bytes.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { chance, pick } from '../support/random-flows.ts'
import { seeds } from '../support/seeds.ts'
import { OpenFlowSides, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'
import { PORTS } from './support/switch-cases.ts'
import { wireCase } from './support/wire-cases.ts'

const HEADER = 8
const ERROR = 1

describe.runIf(ovsInstalled())('damaged messages beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(PORTS.length)
  })
  afterAll(() => sides.stop())

  test.each(seeds(400))('are refused by the same error (seed %i)', async (seed) => {
    const random = seeded(seed)
    await sides.reset()
    const whole = wireCase(random).messages.flatMap((message, index) => encodeOpenFlow({ xid: 100 + index, message }))
    const messages = whole.map((bytes) => damaged(random, bytes))
    const { ours, theirs } = await sides.ask(messages)
    expect(differing(messages, ours.messages, theirs.messages), messages.map(hex).join('\n')).toEqual([])
  })
})

interface Parting {
  /** docs/openflow.md has the reason. */
  why: string
  /** In the bytes of the message, as hex. */
  message: RegExp
  ours: RegExp
  theirs: RegExp
}

const NOTHING = /^nothing$/

/** Where the two may name different errors, and no others. */
const PARTINGS: readonly Parting[] = [
  { why: 'only the form of actions in buckets', message: /^040f/, ours: /^OFPBAC_|^37 of/, theirs: NOTHING },
  {
    why: 'set_field of an unknown field, or one of another length',
    message: /0019|00002320(0021|0007)/,
    ours: /^OFPBAC_BAD_SET_(TYPE|LEN)$/,
    theirs: /^OFPBAC_BAD_SET_(TYPE|LEN)$/,
  },
  {
    why: 'actions and tunnel fields that only Open vSwitch has',
    message: /ffff....00002320(00ff|0016|0030)|0009(0008|0010)|000a(0008|0010)|0001(4[6-9]|d[01]|d[a-f])/,
    ours: /^OFPBAC_BAD_(EXP_)?TYPE$|^OFPBMC_BAD_FIELD$/,
    theirs: /./,
  },
  {
    why: 'actions and fields that only OpenFlow has',
    message: /000[bc]00|001[ab]00|80004e/,
    ours: /./,
    theirs: /^OFPBAC_BAD_TYPE$|^OFPBMC_BAD_FIELD$/,
  },
  {
    why: 'a match of OpenFlow 1.1',
    message: /^040e.{92}0000/,
    ours: /^OFPBMC_BAD_TYPE$/,
    theirs: /^OFPBMC_BAD_LEN$/,
  },
  {
    why: 'what means nothing: table 255, traffic classes, reasons and parts of fields that there are none of',
    message: /00010008ff|000e0008|00002320(0014|0021|002d)/,
    ours: /^OFPBIC_BAD_TABLE_ID$|^OFPBAC_BAD_(ARGUMENT|SET_LEN)$/,
    theirs: /^nothing$|^OFPBAC_(BAD_(LEN|OUT_GROUP)|MATCH_INCONSISTENT)$/,
  },
  {
    why: 'several faults: a match that contradicts itself is found first there',
    message: /0001(ee|f[0-9a-f])/,
    ours: /./,
    theirs: /^OFPBAC_MATCH_INCONSISTENT$/,
  },
  {
    why: 'several faults: a table that there is none of is found last there',
    message: /^040e.{44}(fe|ff)/,
    ours: /^OFPFMFC_BAD_TABLE_ID$/,
    theirs: /^OFPB/,
  },
  {
    why: 'several faults: a field that is matched twice is found first there',
    message: /^040e/,
    ours: /^OFPBAC_/,
    theirs: /^OFPBMC_DUP_FIELD$/,
  },
  {
    why: 'a bundle_load whose algorithm or kind of members there is none of',
    message: /00002320000d/,
    ours: /^OFPBAC_BAD_ARGUMENT$/,
    theirs: /^nothing$|^OFPBAC_MATCH_INCONSISTENT$/,
  },
  {
    why: 'a packet that waits for its controller',
    message: /000023200025/,
    ours: /^OFPTFFC_BAD_TYPE$/,
    theirs: /^nothing$/,
  },
  {
    why: 'a modify that selects no flow',
    message: /^040e.{46}0[12]/,
    ours: /^OFPBAC_BAD_OUT_GROUP$|^OFPMMFC_INVALID_METER$/,
    theirs: NOTHING,
  },
  { why: 'group commands of OpenFlow 1.5', message: /^040f.{12}000[35]/, ours: /^OFPGMFC_BAD_COMMAND$/, theirs: /./ },
  { why: 'a third tag', message: /001100088/, ours: NOTHING, theirs: /^OFPBAC_BAD_TAG$/ },
]

/** Messages to which the two say different things, but for what is expected. */
function differing(asked: readonly Uint8Array[], ours: readonly Uint8Array[], theirs: readonly Uint8Array[]): string[] {
  const [mine, other] = [ours, theirs].map(errorsByMessage) as [Map<string, string>, Map<string, string>]
  /** Groups that one of the two has taken: flows that use them fare as they do. */
  const parted: string[] = []
  return asked.flatMap((bytes) => {
    const [message, xid] = [hex(bytes), String(viewOf(bytes).getUint32(XID))]
    const [here, there] = [mine.get(xid) ?? 'nothing', other.get(xid) ?? 'nothing']
    if (here === there) return []
    const isFollowing = parted.some((group) => message.includes(group))
    if (message.startsWith(GROUP_MOD)) parted.push(`00160008${message.slice(GROUP, GROUP + 8)}`)
    if (isFollowing) return []
    const isExpected = PARTINGS.some(
      (one) => one.message.test(message) && one.ours.test(here) && one.theirs.test(there),
    )
    return isExpected ? [] : [`${xid}: ${here} / ${there}`]
  })
}

/** The type of a group-mod, and in its hex the place of the number. */
const GROUP_MOD = '040f'
const GROUP = 24
const XID = 4

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const errorsByMessage = (said: readonly Uint8Array[]) =>
  new Map(said.filter((bytes) => bytes[1] === ERROR).map((bytes) => told(bytes).split(': error ') as [string, string]))

/** One byte behind the header is another. */
function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  if (copy.length === HEADER || chance(random, 0.3)) return copy
  const at = HEADER + random.below(copy.length - HEADER)
  copy[at] = pick(random, [0, 0xff, copy[at]! ^ (1 << random.below(8)), random.below(256)])
  return copy
}
