// Our OpenFlow as tshark and ovs-ofctl read it, and theirs as we do. Needs the Debian packages tshark and openvswitch-switch.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action, Message, MessageType } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { FIELDS } from '../../protocols/fields.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { arpRequest, tcpFrame } from '../../protocols/packet/compose.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { hearDamaged } from '../support/openflow-damage.ts'
import { soundly, WITHOUT_FORM } from '../support/openflow-forms.ts'
import { MESSAGE_TYPES, randomMessageOf } from '../support/random-messages.ts'
import { writeFrames } from './support/frames-file.ts'
import { daemonCommand } from './support/daemon-command.ts'
import type { OpenFlowRelay } from './support/openflow-relay.ts'
import { relay } from './support/openflow-relay.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'
import { tsharkFields } from './support/tshark.ts'

const SPOKEN = MESSAGE_TYPES.filter((type) => !WITHOUT_FORM.has(type))
const FROM_SWITCH = /Reply|Status|Removed|packetIn|error/

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-openflow-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ARP = arpRequest({ ethSrc: 0x0200_0000_0001n, ipSrc: 1, ipDst: 2 })

/** Frames that are frames: a peer looks into them. */
function withFrame(message: Message): Message {
  if (message.type === 'bundleAdd') return { ...message, message: withFrame(message.message) as typeof message.message }
  return 'frame' in message ? { ...message, frame: ARP } : message
}

/** As many of each type. */
function messages(random: Random, each: number, options?: Parameters<typeof randomMessageOf>[2]): Message[] {
  return SPOKEN.flatMap((type) =>
    Array.from({ length: each }, () => withFrame(soundly(randomMessageOf(random, type, options)))),
  )
}

const encoded = (message: Message, xid: number) => encodeOpenFlow({ xid, message }).map((bytes) => ({ message, bytes }))

test('tshark finds nothing malformed in any message that we send', () => {
  const sent = messages(seeded(21), 25).flatMap(encoded)
  for (const format of ['nxt_packet_in', 'nxt_packet_in2'] as const)
    for (const bytes of encodeOpenFlow(
      { xid: 0, message: withFrame(randomMessageOf(seeded(22), 'packetIn')) },
      { packetIn: format },
    ))
      sent.push({ message: { type: 'setPacketInFormat', format }, bytes })
  const frames = sent.map(({ message, bytes }) => {
    const ports = FROM_SWITCH.test(message.type) ? { srcPort: 40000, dstPort: 6653 } : { srcPort: 6653, dstPort: 40000 }
    const ends = { ethSrc: 1n, ethDst: 2n, ipSrc: 0x0a000001, ipDst: 0x0a000002 }
    return tcpFrame({ ...ends, ...ports, payload: bytes })
  })
  const path = writeFrames(join(directory, 'messages.pcap'), frames)
  const rows = tsharkFields(path, 'tcp', ['frame.number', 'openflow_v4.type', '_ws.malformed'])
  expect(rows).toHaveLength(sent.length)
  rows.forEach(([frame, types, malformed], index) => {
    const { message, bytes } = sent[index]!
    expect([frame, message.type, types?.split(',')[0], malformed ?? '']).toEqual([
      String(index + 1),
      message.type,
      String(bytes[1]),
      '',
    ])
  })
})

/** What OpenFlow has and Open vSwitch does not. */
const UNKNOWN_TO_OVS: ReadonlySet<FieldName> = new Set<FieldName>(['pbb_isid', 'ipv6_exthdr', 'in_phy_port'])
const FIELDS_OF_OVS = new Set(FIELDS.map(({ name }) => name).filter((name) => !UNKNOWN_TO_OVS.has(name)))
/** Kinds that ask nothing of the match: what they ask, and all others, are a matter of the tests of actions. */
const ACTIONS: ReadonlySet<Action['type']> = new Set<Action['type']>([
  'output',
  'controller',
  'group',
  'note',
  'resubmit',
  'exit',
])

describe.skipIf(!ovsInstalled())('Open vSwitch', () => {
  test('ovs-ofctl prints every message that we send without a complaint', () => {
    const options = { fields: FIELDS_OF_OVS, actions: ACTIONS }
    for (const [index, message] of messages(seeded(23), 8, options).entries()) {
      if (unprintable(message)) continue
      const bytes = Buffer.concat(encodeOpenFlow({ xid: index, message }))
      const path = join(directory, 'message.bin')
      writeFileSync(path, bytes)
      const { stdout, stderr } = spawnSync('ovs-ofctl', ['ofp-parse', path], { encoding: 'utf8' })
      expect(`${message.type} ${stderr}`).toBe(`${message.type} `)
      expect(stdout.replace(' (***total_len != data_len***)', '')).not.toContain('***')
      expect(stdout).toMatch(/ \(OF1\.3\) \(xid=0x/)
    }
  })

  describe('what ovs-ofctl and a bridge say to each other', () => {
    let ovs: Ovs
    let between: OpenFlowRelay
    beforeAll(async () => {
      ovs = await startOvs()
      await ovs.addBridge('br0')
      await ovs.addPort('br0', 'p1', 1)
      await ovs.addPort('br0', 'p2', 2)
      between = await relay(join(directory, 'relay.sock'), ovs.bridge('br0'))
      writeFileSync(
        join(directory, 'flows.txt'),
        'table=0,priority=5,ip,actions=output:1\ntable=1,arp,actions=output:2\n',
      )
      writeFileSync(
        join(directory, 'bundle.txt'),
        'flow add priority=7,ip,actions=output:1\ngroup add group_id=9,type=all,bucket=actions=output:1\n' +
          'packet-out in_port=controller packet=0102030405060102030405060800 actions=output:1\n',
      )
    })
    afterAll(async () => {
      between.close()
      await ovs.stop()
    })

    const verb = async (...words: string[]) => {
      const placed = words.map((word) => (word === 'SW' ? between.target : word.replace('DIR', directory)))
      // Some verbs are refused, and what is said of that is part of the conversation.
      await ovs.ofctl('-O', 'OpenFlow13', ...placed).catch(() => {})
    }

    const said = (type: MessageType) => between.passes((bytes) => read(bytes)?.type === type)

    /** A monitor of frames and flows, with something to see; it is told to end once it has. */
    async function watch(): Promise<void> {
      const [ready, frame, change] = [said('setPacketInFormat'), said('packetIn'), said('portStatus')]
      const removed = said('flowRemoved')
      const watching = verb('--timeout=100', 'monitor', 'SW', '65534', 'watch:')
      await ready
      await ovs.receive('p1', FRAME)
      await verb('mod-port', 'SW', 'p2', 'down')
      await verb('del-flows', 'SW')
      await Promise.all([frame, change, removed])
      const socket = readdirSync(ovs.directory).find((name) => /^ovs-ofctl\.\d+\.ctl$/.test(name))!
      await daemonCommand(join(ovs.directory, socket), 'exit')
      await watching
    }

    test('is read whole, and written back byte for byte', async () => {
      for (const words of VERBS) await verb(...words.split(' '))
      await watch()
      const seen = new Set<MessageType>()
      for (const bytes of between.taken()) {
        const message = read(bytes)
        if (message === undefined) continue
        seen.add(message.type)
        if (WRITTEN_OTHERWISE.has(message.type)) continue
        const [again] = encodeOpenFlow({ xid: decodeOpenFlow(bytes).xid, message })
        expect(again).toHaveLength(bytes.length)
        expect(decodeOpenFlow(again!).message).toEqual(message)
        const same = WITH_MATCHES.has(message.type) || hex(withoutMore(again!)) === hex(withoutMore(bytes))
        expect(same, `${message.type} ${hex(bytes)} as ${hex(again!)}`).toBe(true)
      }
      expect(SPOKEN.filter((type) => !seen.has(type))).toEqual(UNSAID)
    })
  })
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Undefined for NXT_TLV_TABLE_REQUEST and its reply: connections answer it themselves. */
const read = (bytes: Uint8Array): Message | undefined =>
  /^0404.{12}000023200000001[9a]/.test(hex(bytes)) ? undefined : decodeOpenFlow(bytes).message

/** Parts of a reply that say that more follow are not read as a whole here. */
function withoutMore(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  if (copy[1] === 19) copy[11] = 0
  return copy
}

const FRAME = Uint8Array.from(Buffer.from(`0200000000010200000000021234${'00'.repeat(50)}`, 'hex'))

/** Says what our switch can do, or leaves something out, or has a second form. */
const WRITTEN_OTHERWISE: ReadonlySet<MessageType> = new Set<MessageType>([
  'hello',
  'error',
  'groupFeaturesReply',
  'meterFeaturesReply',
  'tableFeaturesReply',
  'packetIn',
  'portStatisticsReply',
  'queueStatisticsReply',
])

/** The fields of a match have no order, and some have two numbers: what is said is the same, and takes as many bytes. */
const WITH_MATCHES: ReadonlySet<MessageType> = new Set<MessageType>([
  'flowMod',
  'flowStatisticsReply',
  'flowStatisticsRequest',
  'aggregateStatisticsRequest',
  'flowMonitorReply',
  'bundleAdd',
])

/** No verb of ovs-ofctl makes them be said on OpenFlow 1.3. */
const UNSAID: readonly MessageType[] = [
  'tableMod',
  'roleRequest',
  'roleReply',
  'roleStatus',
  'asyncConfigRequest',
  'asyncConfigReply',
  'setAsyncConfig',
  'flowMonitorCancel',
  'flowMonitorPaused',
  'flowMonitorResumed',
  'setControllerId',
]

const FLOW = 'cookie=1,table=2,priority=10,idle_timeout=60,send_flow_rem,tcp,nw_dst=10.0.0.0/24'

const VERBS = [
  'show SW',
  'dump-desc SW',
  'dump-tables SW',
  'dump-table-features SW',
  'mod-port SW p1 down',
  'mod-port SW p1 up',
  'set-frags SW nx-match',
  'get-frags SW',
  'dump-ports SW',
  'dump-ports SW p1',
  'dump-ports-desc SW',
  'add-meter SW meter=1,kbps,burst,stats,band=type=drop,rate=1000,burst_size=100',
  'add-meter SW meter=3,pktps,band=type=dscp_remark,rate=1000,prec_level=1',
  'mod-meter SW meter=1,kbps,band=type=drop,rate=2000',
  `add-flow SW ${FLOW},actions=meter:1,load:1->NXM_NX_REG0[],output:1,goto_table:4`,
  'add-flow SW table=3,ct_state=+trk+new,ip,actions=ct(commit,zone=3,table=5,nat(src=10.0.0.1-10.0.0.9)),learn(table=6,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
  'add-flow SW table=3,priority=9,reg3=5,tun_id=7,ipv6,actions=set_field:fe80::1->ipv6_src,clone(output:2),write_metadata:9/0xff,goto_table:9',
  'add-flow SW priority=3,in_port=1,actions=controller(max_len=64,reason=no_match),output:2',
  'add-flow SW bad_meter,actions=meter:77',
  'add-flow SW table=1,actions=meter:77,output:1',
  'add-group SW group_id=1,type=select,bucket=weight:2,actions=output:1,bucket=actions=output:2',
  'add-group SW group_id=2,type=ff,bucket=watch_port:1,actions=output:1',
  '--may-create mod-group SW group_id=44,type=all,bucket=actions=output:1',
  'dump-groups SW',
  'dump-group-stats SW',
  'dump-group-stats SW group_id=1',
  'dump-group-features SW',
  'dump-meters SW',
  'meter-stats SW',
  'meter-features SW',
  'dump-flows SW',
  'dump-flows SW cookie=1/-1,tcp,out_port=1',
  'dump-aggregate SW',
  'queue-stats SW',
  'queue-get-config SW 1',
  '--bundle add-flows SW DIR/flows.txt',
  'bundle SW DIR/bundle.txt',
  'mod-flows SW ip,actions=output:2',
  'packet-out SW in_port=1,packet=0102030405060102030405060800,actions=output:2',
  'ct-flush-zone SW 5',
  'ct-flush SW zone=5 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=1,ct_tp_dst=2',
  'ct-flush SW ct_ipv6_src=fe80::1,ct_nw_proto=58,icmp_type=128,icmp_code=0,icmp_id=7',
  'ct-flush SW',
  'dump-tlv-map SW',
  'probe SW',
  'del-groups SW',
]

/** What Open vSwitch has on no version, or on OpenFlow 1.0 only, or checks beyond the form. */
const unprintable = (message: Message): boolean =>
  message.type === 'bundleAdd'
    ? message.message.type === 'meterMod' || unprintable(message.message)
    : isForeign(message)

const isForeign = (message: Message) =>
  (message.type === 'tableFeaturesReply' && message.tables.length === 0) ||
  (message.type === 'groupMod' && (message.command === 'delete' || encodeOpenFlow({ xid: 0, message })[0]?.[1] !== 15))

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('100,000 damaged messages leave no memory behind', () => {
  hearDamaged(seeded(30), 20_000)
  const before = settledHeap()
  const { answered, heard } = hearDamaged(seeded(31), 100_000)
  expect(Math.min(answered, heard)).toBeGreaterThan(10_000)
  expect(settledHeap() - before).toBeLessThan(16 * 2 ** 20)
})

function settledHeap(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
