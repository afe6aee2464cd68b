// Every verb of `ovs-ofctl --help` that OpenFlow 1.3 has a message for, for Open vSwitch and for our switch: the same output, the
// same errors, the same state behind it. Needs the Debian package openvswitch-switch; nobody need be root.

import { spawn } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Message, Role } from '../../protocols/control/messages.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { flowMod } from '../support/test-switch.ts'
import { ovsInstalled } from './support/ovs.ts'
import { RunningSwitch } from './support/switch-run.ts'
import { SideBySide } from './support/side-by-side.ts'

type Commands = readonly (readonly string[])[]

const FLOWS = `# comments and empty lines are nothing
cookie=0x11,priority=100,in_port=1,ip,nw_dst=10.0.0.0/8,idle_timeout=600 actions=output:2,3
cookie=0x12,priority=90,in_port=p2 actions=goto_table:1

cookie=0x22,table=1,hard_timeout=1000,send_flow_rem,arp actions=NORMAL
table=2,send_flow_rem,check_overlap,tcp,tp_dst=80 actions=drop
table=3,tcp,tp_src=0x8000/0x8000,reset_counts,no_packet_counts,no_byte_counts actions=clear_actions,write_actions(output:3),goto_table:4
table=4,in_port=77 actions=in_port
table=4,udp actions=mod_tp_dst:99,mod_nw_src:1.2.3.4,mod_vlan_vid:3,output:1
table=5 actions=set_queue:5,output:1,pop_queue,controller,controller:128,controller(reason=action,max_len=3,id=4,userdata=01.02)
table=6,ip,in_port=1 actions=set_field:1->nw_ttl,dec_ttl,push_vlan:0x8100,set_field:4099->vlan_vid,LOCAL,FLOOD,ALL,IN_PORT,CONTROLLER`

const OTHER_FLOWS = `priority=7,tcp actions=1
priority=8,tcp actions=2
table=1,arp actions=output:1
table=4,in_port=77 actions=in_port`

const GROUPS = `group_id=5,type=select,bucket=weight:3,output:1,bucket=weight:1,output:2
group_id=6,type=all,bucket=actions=1,bucket=actions=group:5
group_id=7,type=indirect,bucket=actions=push_vlan:0x8100,set_field:4100->vlan_vid,2
group_id=8,type=ff,bucket=watch_port:1,actions=1,bucket=watch_port:2,output:2
group_id=9,type=all
group_id=10,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=actions=1,bucket=weight=2,actions=2`

const ADD_FLOWS = ['add-flows', `<${FLOWS}`]
const ADD_GROUPS = ['add-groups', `<${GROUPS}`]
const DUMP = ['dump-flows', '--no-stats']
const ROUNDS = 200
const FRAME = 'ffffffffffff00000000000108060001080006040001000000000001'

const wire = (message: Message): Uint8Array => encodeOpenFlow({ xid: 99, message })[0]!
const role = (name: Role, generationId: bigint) => wire({ type: 'roleRequest', role: name, generationId })
const ADD_FLOW = wire(flowMod({ priority: 3 }))
const SILENCE = { packetIn: [], portStatus: [], flowRemoved: [] }
const NO_PACKET_INS = wire({ type: 'setAsyncConfig', primary: SILENCE, secondary: SILENCE })

const CASES: Record<string, Commands> = {
  'what it is': [
    ['show'],
    ['dump-ports-desc'],
    ['dump-ports-desc', '2'],
    ['dump-tables'],
    ['dump-table-desc'],
    ['probe'],
    ['ping', '10'],
    ['benchmark', '100', '20'],
    ['dump-tlv-map'],
  ],
  'statistics of ports': [
    ['dump-ports'],
    ['dump-ports', '1'],
    ['dump-ports', '9'],
    ['dump-ports', 'LOCAL'],
    ['dump-ports', 'p3'],
    ['queue-stats', '9'],
    ['queue-stats', '1', '5'],
    ['queue-get-config', '9'],
  ],
  'handling of fragments': [
    ['get-frags'],
    ...['drop', 'nx-match', 'normal'].flatMap((mode) => [['set-frags', mode], ['get-frags']]),
  ],
  'what a port may do': [
    ...['down', 'no-stp', 'no-receive', 'no-receive-stp', 'no-flood', 'no-forward', 'no-packet-in'].flatMap((off) => {
      const on = off === 'down' ? 'up' : off.slice('no-'.length)
      return [['mod-port', '2', off], ['dump-ports-desc'], ['mod-port', 'p2', on], ['dump-ports-desc']]
    }),
    ['mod-port', '9', 'down'],
    ['mod-port', '2', 'sideways'],
    ['mod-port', 'LOCAL', 'down'],
    ['dump-ports-desc', 'LOCAL'],
    ['mod-port', 'LOCAL', 'up'],
  ],
  'settings of tables': [
    ...['controller', 'continue', 'drop', 'evict', 'noevict', 'vacancy:10,20', 'novacancy'].flatMap((setting) => [
      ['mod-table', '1', setting],
      ['mod-table', 'all', setting],
      ['dump-tables'],
      ['dump-table-desc'],
    ]),
    ['mod-table', '300', 'drop'],
  ],
  'dumps of flows': [
    ADD_FLOWS,
    ['dump-flows'],
    DUMP,
    ['dump-flows', '--names', '--no-stats'],
    ['dump-flows', '--no-names'],
    ['dump-flows', '--rsort=cookie', 'cookie=0x10/0xf0'],
    ['dump-flows', '--sort=priority', 'table=0'],
    ['dump-flows', '--sort=in_port', 'in_port=1'],
    ...[
      'table=1',
      'table=77',
      'cookie=0x10/0xf0',
      'cookie=0x11/-1',
      'out_port=3',
      'out_group=3',
      'ip',
      'in_port=1',
    ].map((filter) => ['dump-flows', '--no-stats', filter]),
    ['dump-flows', '--no-stats', 'out_port=LOCAL'],
    ['dump-flows', '--no-stats', 'out_port=CONTROLLER'],
    ['dump-flows', '--no-stats', 'table=0,out_port=2,cookie=0x11/-1'],
    ['dump-aggregate'],
    ['dump-aggregate', 'table=6'],
    ['dump-aggregate', 'ip'],
    ['dump-tables'],
  ],
  'changes of flows': [
    ADD_FLOWS,
    [
      'add-flows',
      `<add priority=7,tcp actions=1
delete_strict table=4,in_port=77
modify table=4,udp actions=2
modify_strict table=6,ip,in_port=1 actions=drop
table=9 actions=note:01.02.03.04.05.06
delete cookie=0x11/-1`,
    ],
    DUMP,
    ...[
      ['mod-flows', 'table=0,actions=flood'],
      ['mod-flows', '--strict', 'priority=7,tcp actions=local'],
      ['mod-flows', 'table=50,udp,actions=flood'],
      ['mod-flows', 'cookie=0x12/-1,actions=3'],
      ['mod-flows', 'cookie=0x5,table=1,actions=3'],
      ['del-flows', '--strict', 'table=2,tcp'],
      ['del-flows', '--strict', 'table=2,tcp,tp_dst=80'],
      ['del-flows', 'table=3,tcp'],
      ['del-flows', 'out_port=3'],
      ['del-flows', 'cookie=2/2,table=0'],
    ].flatMap((change) => [change, DUMP]),
    ['add-flow', 'table=1,check_overlap,ip actions=drop'],
    ['add-flow', 'table=1,check_overlap,tcp actions=drop'],
    DUMP,
  ],
  'one table in the place of another': [
    ADD_FLOWS,
    ['diff-flows', `<${OTHER_FLOWS}`],
    ['replace-flows', `<${OTHER_FLOWS}`],
    DUMP,
    ['diff-flows', `<${OTHER_FLOWS}`],
    ['replace-flows', '--bundle', `<${FLOWS}`],
    DUMP,
    ['replace-flows', '--readd', `<${FLOWS}`],
    DUMP,
    ['diff-flows', `<${OTHER_FLOWS}`],
  ],
  'all or nothing': [
    ['add-flows', '--bundle', `<${OTHER_FLOWS}`],
    DUMP,
    ['add-flows', '--bundle', '<priority=70,tcp actions=1\npriority=80,tcp actions=output:99,group:33'],
    DUMP,
    ['add-flow', '--bundle', 'ipv6,actions=2'],
    ['mod-flows', '--bundle', 'ipv6,actions=3'],
    DUMP,
    ['del-flows', '--bundle', 'ipv6'],
    ['bundle', '<flow add table=3,actions=group:5'],
    DUMP,
    [
      'bundle',
      `<group add group_id=5,type=select,bucket=weight:3,output:1,bucket=weight:1,output:2
flow add table=3,actions=group:5
packet-out in_port=1,packet=${FRAME},actions=table
flow table=3,arp,actions=group:5`,
    ],
    DUMP,
    ['dump-groups'],
    ['bundle', '<flow delete table=3\ngroup add group_id=5,type=all,bucket=actions=1'],
    DUMP,
    ['add-groups', '--bundle', '<group_id=1,type=all,bucket=actions=1\ngroup_id=5,type=all'],
    ['add-groups', '--bundle', '<group_id=1,type=all,bucket=actions=1\ngroup_id=2,type=all'],
    ['dump-groups'],
    ['del-groups', '--bundle'],
    ['dump-groups'],
  ],
  groups: [
    ADD_GROUPS,
    ['dump-groups'],
    ['dump-groups', '5'],
    ['dump-group-stats'],
    ['dump-group-stats', 'group_id=5'],
    ['dump-group-stats', 'group_id=500'],
    ['add-flow', 'table=7,actions=group:5'],
    ['dump-group-stats', 'group_id=5'],
    ['mod-group', 'group_id=7,type=indirect,bucket=actions=3'],
    ['mod-group', '--may-create', 'group_id=77,type=indirect,bucket=actions=3'],
    ['dump-groups'],
    ['insert-buckets', 'group_id=5,command_bucket_id=last,bucket=bucket_id:7,weight:1,actions=3'],
    ['remove-buckets', 'group_id=5,command_bucket_id=1'],
    ['del-groups', 'group_id=77'],
    ['del-groups', 'group_id=78'],
    ['del-groups', 'group_id=5'],
    ['dump-groups'],
    DUMP,
    ['del-groups'],
    ['dump-groups'],
  ],
  meters: [
    ['add-meter', 'meter=1,kbps,burst,stats,band=type=drop,rate=1000,burst_size=100'],
    ['add-meter', 'meter=2,pktps,band=type=drop,rate=10'],
    ['add-meter', 'meter=slowpath,pktps,band=type=drop,rate=10'],
    ['add-meter', 'meter=controller,pktps,band=type=drop,rate=10'],
    ['mod-meter', 'meter=2,pktps,band=type=drop,rate=20'],
    ['add-flow', 'table=8,actions=meter:2,1'],
    DUMP,
    ['dump-meters'],
    ['dump-meters', 'meter=2'],
    ['meter-stats'],
    ['meter-stats', 'meter=2'],
    ['del-meters', 'meter=2'],
    ['del-meters', 'meter=22'],
    DUMP,
    ['dump-meters'],
    ['del-meters'],
    ['dump-meters'],
  ],
  connections: [
    ['ct-flush-zone', '5'],
    ['ct-flush'],
    ['ct-flush', 'zone=3'],
    ['ct-flush', 'zone=3', 'ct_nw_src=10.1.1.1,ct_nw_proto=6,ct_tp_src=1', 'ct_nw_dst=10.1.1.2,ct_nw_proto=6'],
  ],
}

/** Each is refused, by the same name, and leaves nothing behind. */
const MISTAKES: Commands = [
  ['add-flow', 'table=255 actions=drop'],
  ['add-flow', 'actions=group:99'],
  ['add-flow', 'actions=meter:7'],
  ['add-flow', 'in_port=1 actions=dec_ttl'],
  ['add-flow', 'in_port=1 actions=set_field:1->tcp_dst'],
  ['add-flow', 'table=5,actions=goto_table:5'],
  ['add-flow', 'tcp,ip_dst=1.2.3.4,actions=pop_mpls:0x0800'],
  ['add-flow', 'actions=push_vlan:0x1234'],
  ['add-flow', 'actions=output:0'],
  ['add-flow', 'actions=resubmit(,255)'],
  ['add-flow', 'ip,actions=ct(table=0,zone=1)'],
  ['add-flow', 'arp,actions=ct(commit)'],
  ['add-flow', 'ip,actions=ct(nat)'],
  ['add-flow', 'ip,actions=conjunction(1,1/2)'],
  ['add-flow', 'ip,conj_id=1,actions=conjunction(1,1/2),conjunction(2,1/2),output:1'],
  ['add-flow', 'ip,actions=learn(table=300)'],
  ['add-flow', 'ip,actions=write_metadata:5,goto_table:1,output:2'],
  ['mod-flows', 'actions=group:99'],
  ['del-flows', 'table=0,out_group=99'],
  ['add-group', 'group_id=5,type=all,bucket=actions=1'],
  ['add-group', 'group_id=14,type=all,bucket=watch_port:9,actions=1'],
  ['add-group', 'group_id=0xfffffffc,type=all,bucket=actions=1'],
  ['add-group', 'group_id=15,type=all,bucket=actions=dec_ttl,goto_table:2'],
  ['mod-group', 'group_id=77,type=indirect,bucket=actions=3'],
  ['add-meter', 'meter=9,kbps,band=type=drop,rate=1000'],
  ['mod-meter', 'meter=22,pktps,band=type=drop,rate=20'],
  ['dump-meters', 'meter=22'],
  ['meter-stats', 'meter=22'],
  ['packet-out', 'in_port=99 packet=' + FRAME + ' actions=2'],
  ['packet-out', 'in_port=1 packet=' + FRAME + ' actions=group:77'],
  ['packet-out', 'in_port=any packet=' + FRAME + ' actions=1'],
  ['packet-out', 'in_port=1 packet=' + FRAME + ' actions=99'],
  ['packet-out', 'in_port=controller packet=' + FRAME + ' actions=table'],
  ['packet-out', 'in_port=local packet=' + FRAME + ' actions=2'],
  ['mod-port', '99', 'down'],
]

describe.runIf(ovsInstalled())('ovs-ofctl', () => {
  let both: SideBySide

  beforeAll(async () => {
    both = await SideBySide.start()
  })
  beforeEach(() => both.forget())
  afterAll(() => both?.stop())

  test.each(Object.entries(CASES))('%s: as in Open vSwitch', async (_name, commands) => {
    for (const words of commands) {
      const { ours, theirs } = await both.ofctl(words)
      expect(ours, words.join(' ')).toBe(theirs)
    }
  })

  test('mistakes have the names that they have there', async () => {
    for (const words of [ADD_GROUPS, ['add-meter', 'meter=9,kbps,band=type=drop,rate=1000']]) await both.ofctl(words)
    for (const words of MISTAKES) {
      const { ours, theirs } = await both.ofctl(words)
      expect(ours, words.join(' ')).toBe(theirs)
    }
    for (const words of [DUMP, ['dump-groups'], ['dump-meters']]) {
      const { ours, theirs } = await both.ofctl(words)
      expect(ours, words.join(' ')).toBe(theirs)
    }
  })

  test('monitor: what changes is told as there', async () => {
    await both.ofctl(['add-flow', 'cookie=1,table=1,in_port=1,actions=2'])
    const watches = await Promise.all([
      both.monitor('65534', 'watch:'),
      both.monitor('100', 'watch:!initial,!own,table=1,out_port=2'),
      both.monitor('65534', 'watch:!add,!delete,!actions'),
    ])
    for (const words of [
      ['add-flow', 'in_port=1,actions=controller,2'],
      ['add-flow', 'cookie=5,table=1,in_port=1,actions=2'],
      ['mod-flows', 'table=1,actions=2,3'],
      ['add-flow', 'cookie=6,table=1,priority=3,send_flow_rem,idle_timeout=100,ip,actions=3'],
      ['packet-out', `in_port=1 packet=${FRAME} actions=table`],
      ['packet-out', `in_port=2 packet=${FRAME} actions=controller(max_len=20)`],
      ['packet-out', `in_port=2 packet=${FRAME} actions=controller(reason=no_match,userdata=01.02.03)`],
      ['packet-out', `in_port=2 packet=${FRAME} actions=set_field:5->reg3,set_field:7->metadata,controller`],
      ['packet-out', `in_port=2 packet=${FRAME} actions=controller(id=9)`],
      ['mod-port', '3', 'no-flood'],
      ['del-flows', 'table=1'],
      ['add-group', 'group_id=3,type=all,bucket=actions=1'],
      ['add-flow', 'table=1,send_flow_rem,in_port=2,actions=group:3'],
      ['del-groups'],
      ['del-flows', '--strict', 'in_port=1'],
    ])
      await both.ofctl(words)
    for (const watch of watches) {
      const { ours, theirs } = await watch.stop()
      expect(ours).toBe(theirs)
    }
  })

  test('roles: one primary; who was it before changes nothing; an old claim is stale', async () => {
    const [first, second] = [await both.monitor('65534'), await both.monitor('65534')]
    await second.send(role('secondary', 4n))
    await first.send(role('primary', 5n), ADD_FLOW)
    await both.ofctl(['packet-out', `in_port=2 packet=${FRAME} actions=controller`])
    await second.send(ADD_FLOW, role('primary', 4n), role('primary', 6n), ADD_FLOW)
    await first.send(ADD_FLOW, role('primary', 5n), role('nochange', 0n))
    await both.ofctl(['packet-out', `in_port=3 packet=${FRAME} actions=controller`])
    await second.send(NO_PACKET_INS)
    await both.ofctl(['packet-out', `in_port=1 packet=${FRAME} actions=controller`])
    const printed = [await first.stop(), await second.stop()]
    for (const { ours, theirs } of printed) expect(ours).toBe(theirs)
    expect(printed[0]?.ours).toMatch(/OFPBRC_IS_SLAVE|OFPBRC_IS_SECONDARY/)
    expect(printed[0]?.ours).toContain('OFPRRFC_STALE')
  })

  test('a frame behind a barrier meets the new tables, every time', async () => {
    const frame = Buffer.from(FRAME, 'hex')
    await both.ours.drain()
    for (let round = 0; round < ROUNDS; round++) {
      const port = 2 + (round % 2)
      await both.ours.ofctl('add-flow', `in_port=1,actions=output:${port}`)
      await both.ours.send(1, frame)
      expect(await both.ours.received(1), `round ${round}`).toEqual([`${port}: ${FRAME}`])
    }
  })

  test('what a port may not do, it does not', async () => {
    const { ours } = both
    const frame = Buffer.from(FRAME, 'hex')
    // A frame that leaves where it may not is heard then, or when the next is waited for.
    const heard = async (count: number) => {
      await ours.send(1, frame)
      return (await ours.received(count)).map((line) => Number.parseInt(line)).sort((a, b) => a - b)
    }
    await ours.drain()
    await ours.ofctl('add-flow', 'actions=ALL')
    expect(await heard(2)).toEqual([2, 3])
    for (const [port, off, on, rest] of [
      ['2', 'down', 'up', [3]],
      ['3', 'no-forward', 'forward', [2]],
      ['1', 'no-receive', 'receive', []],
    ] as const) {
      await ours.ofctl('mod-port', port, off)
      expect(await heard(rest.length), off).toEqual(rest)
      await ours.ofctl('mod-port', port, on)
      expect(await heard(2), on).toEqual([2, 3])
    }
  })
})

describe.runIf(ovsInstalled())('what is our own', () => {
  let ours: RunningSwitch

  beforeAll(async () => {
    ours = await RunningSwitch.start({ ports: ['queue.1.min_rate=1Mbps;queue.2.max_rate=8Mbps', ''] })
  })
  afterAll(() => ours?.stop())

  test.each([
    [['dump-desc'], /Hardware: Signalbox vSwitch/],
    [['dump-group-features'], /Types: {2}0xf[^]*Capabilities: {2}0xf/],
    [['meter-features'], /band_types: drop dscp_remark/],
    [['dump-table-features'], /table 0:\n[^]*tables 1\.\.\.25[23]: ditto\n/],
    [['queue-get-config', '1'], /port=1\nqueue 1: min_rate:[\d.]+%\nqueue 2: max_rate:[\d.]+%/],
    [['queue-stats', '1', '2'], /1 queues\n {2}port 1 queue 2: bytes=0, pkts=0, errors=0/],
    [['queue-stats'], /3 queues\n/],
  ])('%j', async ([verb = '', ...words], expected) => {
    expect(await ours.ofctl(verb, ...words)).toMatch(expected)
  })

  test('snoop hears what goes to the controllers', async () => {
    const snooped = await snoop(ours.target, () =>
      ours.ofctl('packet-out', `in_port=2 packet=${FRAME} actions=controller`),
    )
    expect(snooped).toContain('OFPT_PACKET_IN (OF1.3)')
  })
})

/** What `ovs-ofctl snoop` prints; `work` is done again and again until there is something. */
async function snoop(target: string, work: () => Promise<unknown>): Promise<string> {
  const child = spawn('ovs-ofctl', ['-O', 'OpenFlow13', '--unixctl=none', 'snoop', target], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let printed = ''
  child.stderr.on('data', (text: Buffer) => (printed += text.toString()))
  const end = new Promise((resolve) => child.once('close', resolve))
  for (let attempt = 0; attempt < 50 && !printed.includes('PACKET_IN'); attempt++) {
    await work()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill()
  await end
  return printed
}
