// The same flows, groups and meters through `ovs-ofctl` and a real Open vSwitch: what it prints is what we print, and what it
// refuses we refuse. Where the two differ, a table says why.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action, FlowSpec, LearnSpec } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { FIELDS, fieldOf } from '../../protocols/fields.ts'
import { printMeter } from '../../protocols/flow-text/meters.ts'
import { parseFlow, parseGroupMod, parseMeterMod } from '../../protocols/flow-text/parse.ts'
import { printGroup } from '../../protocols/flow-text/print-groups.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import type { KnownFrame } from '../../protocols/known-frame.ts'
import { seeded } from '../../runtime/random.ts'
import { admissible } from '../support/admissible-flows.ts'
import { randomFlow } from '../support/random-flows.ts'
import {
  FLOW_EXAMPLES,
  FLOW_REFUSALS,
  GROUP_REFUSALS,
  GROUPS,
  METER_REFUSALS,
  METERS,
} from './support/flow-text-cases.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const BRIDGE = 'sbx-text'
const FLOWS = 800
/** OpenFlow 1.3 carries `load` as it is, and 1.5 a masked `set_field`, and a flow's importance. */
type Version = 'OpenFlow13' | 'OpenFlow15'

describe.runIf(ovsInstalled())('flow text beside Open vSwitch', () => {
  let ovs: Ovs

  beforeAll(async () => {
    ovs = await startOvs()
    await ovs.addBridge(BRIDGE)
    for (const group of [1, 2, 3, 4])
      await ovs.ofctl('-O', 'OpenFlow13', 'add-group', ovs.bridge(BRIDGE), `group_id=${group},type=all`)
    await ovs.ofctl('-O', 'OpenFlow13', 'add-meter', ovs.bridge(BRIDGE), 'meter=1,kbps,bands=type=drop,rate=1')
  })

  afterAll(() => ovs.stop())

  const versions: Version[] = ['OpenFlow13', 'OpenFlow15']
  describe.each(versions)('over %s', (version) => {
    test.each([1, 2, 3])(`${FLOWS} random flows are printed alike (seed %i)`, async (seed) => {
      const flows = expressible(seed, version)
      const dumped = await throughOvs(flows, version)
      for (const flow of flows) expect(dumped.get(flow.cookie)).toBe(printFlow(flow))
    })

    test('what Open vSwitch prints is read as the flow that it was given', async () => {
      const flows = expressible(4, version)
      const dumped = await throughOvs(flows, version)
      for (const flow of flows) expect(parseFlow(dumped.get(flow.cookie)!)).toEqual(flow)
    })
  })

  test.each(FLOW_EXAMPLES)('%s is printed alike', async (text) => {
    const bridge = ovs.bridge(BRIDGE)
    await ovs.ofctl('-O', 'OpenFlow13', 'del-flows', bridge)
    await ovs.ofctl('-O', 'OpenFlow13', 'add-flow', bridge, text)
    expect([printFlow(parseFlow(text))]).toEqual(await dumpFlows('OpenFlow13'))
  })

  test.each(FLOW_REFUSALS)('%s is refused by both', async (text) => {
    await expect(ovs.ofctl('-O', 'OpenFlow13', 'add-flow', ovs.bridge(BRIDGE), text)).rejects.toThrow(/Command failed/)
    expect(() => parseFlow(text)).toThrow(expect.objectContaining({ name: 'FlowSyntaxError' }))
  })

  test.each(GROUPS)('group %s is printed alike', async (text) => {
    await ovs.ofctl('-O', 'OpenFlow15', 'add-group', ovs.bridge(BRIDGE), text)
    const dump = await ovs.ofctl('-O', 'OpenFlow15', '--no-names', 'dump-groups', ovs.bridge(BRIDGE))
    await ovs.ofctl('-O', 'OpenFlow15', 'del-groups', ovs.bridge(BRIDGE), 'group_id=9')
    const { buckets, ...group } = parseGroupMod(text)
    // The switch numbers buckets that have no number of their own.
    const numbered = buckets.map((bucket, index) => ({ id: index, ...bucket }))
    expect(
      dump
        .split('\n')
        .find((line) => line.includes('group_id=9'))
        ?.trim(),
    ).toBe(printGroup({ ...group, buckets: numbered }))
    expect(parseGroupMod(printGroup({ ...group, buckets }))).toEqual({ ...group, buckets })
  })

  test.each(GROUP_REFUSALS)('group %s is refused by both', async (text) => {
    await expect(ovs.ofctl('-O', 'OpenFlow15', 'add-group', ovs.bridge(BRIDGE), text)).rejects.toThrow(/Command failed/)
    expect(() => parseGroupMod(text)).toThrow(expect.objectContaining({ name: 'FlowSyntaxError' }))
  })

  test.each(METERS)('meter %s is printed alike', async (text) => {
    await ovs.ofctl('-O', 'OpenFlow13', 'add-meter', ovs.bridge(BRIDGE), text)
    const dump = await ovs.ofctl('-O', 'OpenFlow13', 'dump-meters', ovs.bridge(BRIDGE), 'meter=9')
    await ovs.ofctl('-O', 'OpenFlow13', 'del-meters', ovs.bridge(BRIDGE), 'meter=9')
    const meter = parseMeterMod(text)
    expect(dump.slice(dump.indexOf('\n') + 1).trimEnd()).toBe(printMeter(meter))
    expect(parseMeterMod(printMeter(meter))).toEqual(meter)
  })

  test.each(METER_REFUSALS)('meter %s is refused by both', async (text) => {
    await expect(ovs.ofctl('-O', 'OpenFlow13', 'add-meter', ovs.bridge(BRIDGE), text)).rejects.toThrow(/Command failed/)
    expect(() => parseMeterMod(text)).toThrow(expect.objectContaining({ name: 'FlowSyntaxError' }))
  })

  /** Adds the flows as we print them; gives what the switch has then, by cookie. */
  async function throughOvs(flows: readonly FlowSpec[], version: Version): Promise<Map<bigint, string>> {
    const file = join(ovs.directory, 'flows.txt')
    writeFileSync(file, flows.map((flow) => printFlow(flow)).join('\n'))
    await ovs.ofctl('-O', version, 'del-flows', ovs.bridge(BRIDGE))
    await ovs.ofctl('-O', version, 'add-flows', ovs.bridge(BRIDGE), file)
    const lines = await dumpFlows(version)
    return new Map(lines.map((line) => [BigInt(/cookie=(0x[0-9a-f]+)/.exec(line)![1]!), line]))
  }

  async function dumpFlows(version: Version): Promise<string[]> {
    const dump = await ovs.ofctl('-O', version, '--no-names', 'dump-flows', '--no-stats', ovs.bridge(BRIDGE))
    return dump.split('\n').filter((line) => line.includes('actions='))
  }
})

// ---- what Open vSwitch can say ---------------------------------------------------------------------------------------

/** OpenFlow 1.3's, which Open vSwitch does not have. */
const OURS = new Set<FieldName>(['in_phy_port', 'pbb_isid', 'ipv6_exthdr'])
const OUR_ACTIONS = new Set<Action['type']>(['push_pbb', 'pop_pbb', 'copy_ttl_out', 'copy_ttl_in'])
/** Over OpenFlow 1.3 and 1.5 Open vSwitch turns OpenFlow 1.0's actions into set_field. */
const TRANSLATED = new Set<Action['type']>(['set_vlan_vid', 'set_vlan_pcp', 'set_tunnel'])

const FIELDS_OF_OVS = new Set(FIELDS.map(({ name }) => name).filter((name) => !OURS.has(name)))

/** Flows that the version can carry, each with a cookie and a priority of its own. */
function expressible(seed: number, version: Version): FlowSpec[] {
  const random = seeded(seed)
  const refused = (action: Action, known: KnownFrame) => isRefused(action, known, version)
  return Array.from({ length: FLOWS }, (_, index) => {
    const drawn = randomFlow(random, { fields: FIELDS_OF_OVS, actions: 'all' })
    const { importance, ...flow } = admissible(drawn, refused)
    const { meter, ...instructions } = flow.instructions
    return {
      ...flow,
      ...(version === 'OpenFlow15' && importance && { importance }),
      cookie: BigInt(index + 1),
      priority: 1000 + index,
      // Over OpenFlow 1.3 and later a match has no vlan_tci.
      match: flow.match.filter((part) => part.field !== 'vlan_tci'),
      instructions: meter === undefined ? instructions : { ...instructions, meter: 1 },
    }
  })
}

function isRefused(action: Action, known: KnownFrame, version: Version): boolean {
  if (OUR_ACTIONS.has(action.type) || TRANSLATED.has(action.type)) return true
  switch (action.type) {
    // A frame of Open vSwitch's has two tags at most; it takes none off a frame that may have none.
    case 'push_vlan':
      return known.tags >= 2 || !known.hasEthernet
    case 'pop_vlan':
      return known.tags === 0
    case 'set_field':
      return action.field === 'in_port' || (version === 'OpenFlow13' && action.mask !== undefined)
    case 'load':
      return version === 'OpenFlow15'
    case 'ct':
      return version === 'OpenFlow15'
        ? action.actions.some(({ type }) => type === 'load')
        : action.actions.some((nested) => isRefused(nested, known, version))
    case 'learn':
      return action.specs.some(isUnwritable)
    default:
      return false
  }
}

const isUnwritable = ({ target }: LearnSpec) => target.type === 'load' && !fieldOf(target.to.field).settable
