// What both switches are asked to trace, drawn from a seed, as text that both read: flows of up to six tables with all that
// leaves marks in a trace (groups, connections, copies, labels, learning, measuring), and flows to trace that mostly meet them.

import type { Random } from '../../../runtime/random.ts'
import { chance, pick } from '../../support/random-flows.ts'

export interface TraceCase {
  flows: string[]
  /** The words behind `ofproto/trace BRIDGE`. */
  traces: string[][]
}

/** Of every type; 6 leads on to others, 7 to nowhere. */
export const GROUPS: readonly string[] = [
  'group_id=1,type=all,bucket=bucket_id:1,output:2,bucket=bucket_id:2,set_field:02:00:00:00:00:99->eth_dst,output:3',
  'group_id=2,type=indirect,bucket=bucket_id:0,push_vlan:0x8100,set_field:4126->vlan_vid,output:4',
  'group_id=3,type=select,selection_method=hash,fields(eth_src),bucket=bucket_id:5,weight:1,output:3',
  'group_id=4,type=ff,bucket=bucket_id:1,watch_port:1,output:1,bucket=bucket_id:2,watch_port:3,output:3',
  'group_id=5,type=all,bucket=bucket_id:1,resubmit(,4),bucket=bucket_id:2,output:2',
  'group_id=6,type=all,bucket=bucket_id:8,group:1,bucket=bucket_id:9,output:1',
  'group_id=7,type=all',
]
export const METERS: readonly string[] = [
  'meter=1,kbps,bands=type=drop,rate=1000',
  'meter=2,pktps,bands=type=drop,rate=10',
]

const LAST_TABLE = 5

type Kind = 'any' | 'tcp' | 'udp' | 'ip' | 'ipv6' | 'arp' | 'mpls' | 'icmp'
const KINDS: readonly Kind[] = ['any', 'tcp', 'tcp', 'udp', 'ip', 'ip', 'ipv6', 'arp', 'mpls', 'icmp']
const isIp = (kind: Kind) => kind === 'tcp' || kind === 'udp' || kind === 'ip' || kind === 'icmp'

export function traceCase(random: Random): TraceCase {
  const flows: string[] = []
  // Open vSwitch 3.1 ends with a failed assertion (recirc_alloc_id__) where a packet-in is made, a TTL ends, or a clone is tracked
  // while there is an action set.
  const writes = chance(random, 0.3)
  let priority = 1
  for (let table = 0; table <= LAST_TABLE; table++)
    for (let count = 4; count > 0; count--) flows.push(flow(random, table, priority++, writes))
  if (chance(random, 0.3)) flows.push(...conjunction(random))
  const traces = Array.from({ length: 3 }, () => [...connectionStates(random), frame(random, writes)])
  return { flows, traces }
}

// ---- flows -------------------------------------------------------------------------------------------------------

function flow(random: Random, table: number, priority: number, writes: boolean): string {
  const kind = pick(random, KINDS)
  const match = [
    `table=${table},priority=${priority},cookie=${priority}`,
    ...(kind === 'any' ? [] : [kind]),
    ...narrowed(random, kind, table),
  ]
  const drawn = actions(random, kind, table, 1 + random.below(4))
  const list = writes ? drawn.map((text) => (FREEZES.test(text) ? 'note:02' : text)) : drawn
  const meter = chance(random, 0.1) ? [`meter:${1 + random.below(2)}`] : []
  const written =
    writes && chance(random, 0.2)
      ? [
          `write_actions(${pick(random, ['output:2', 'group:1', 'set_field:02:00:00:00:00:77->eth_src,output:3', 'group:4'])})`,
        ]
      : []
  const clear = chance(random, 0.08) ? ['clear_actions'] : []
  const metadata = chance(random, 0.08) ? [`write_metadata:0x${random.below(16).toString(16)}`] : []
  const next = table < LAST_TABLE && chance(random, 0.5) ? [`goto_table:${table + 1}`] : []
  return `${match.join(',')} actions=${[...meter, ...list, ...clear, ...written, ...metadata, ...next].join(',')}`
}

const FREEZES = /\b(controller|ct\()/

const MATCHES: Readonly<Record<Kind, readonly string[]>> = {
  any: [
    'in_port=1',
    'in_port=2',
    'dl_dst=02:00:00:00:00:02',
    'dl_src=02:00:00:00:00:00/ff:ff:ff:ff:ff:fe',
    'dl_vlan=10',
  ],
  tcp: ['tp_dst=80', 'tp_src=1000', 'nw_dst=10.0.0.0/24', 'tcp_flags=+syn', 'nw_src=10.0.0.1', 'tp_dst=0x40/0xfff0'],
  udp: ['tp_dst=53', 'nw_dst=10.0.0.2'],
  ip: ['nw_src=10.0.0.0/8', 'nw_ttl=1', 'nw_tos=32', 'nw_frag=no', 'nw_dst=10.0.0.2'],
  ipv6: ['ipv6_dst=fd00::2', 'nw_ttl=64', 'ipv6_src=fd00::/64'],
  arp: ['arp_op=1', 'arp_tpa=10.0.0.2', 'arp_sha=02:00:00:00:00:01'],
  mpls: ['mpls_label=100', 'mpls_bos=1', 'mpls_tc=3'],
  icmp: ['icmp_type=8', 'icmp_code=0'],
}
const LATER = [
  'reg0=0/1',
  'reg0=1',
  'metadata=1',
  'ct_state=+trk',
  'ct_state=+est',
  'ct_state=-new',
  'ct_zone=5',
  'ct_mark=1',
  'reg1=0x10',
]

function narrowed(random: Random, kind: Kind, table: number): string[] {
  const own = chance(random, 0.4) ? [pick(random, MATCHES[kind])] : []
  const more = chance(random, 0.15) ? [pick(random, MATCHES.any)] : []
  const later =
    table > 0 && chance(random, 0.3)
      ? [
          pick(
            random,
            LATER.filter((text) => kind !== 'mpls' || !text.startsWith('ct_')),
          ),
        ]
      : []
  return [...own, ...(kind === 'any' && own.length > 0 ? [] : more), ...later]
}

function actions(random: Random, kind: Kind, table: number, most: number): string[] {
  const list: string[] = []
  let now: Kind = kind
  for (let left = most; left > 0; left--) {
    const [text, after] = action(random, now, table)
    list.push(text)
    now = after
  }
  return list
}

/** An action, and what the frame is then known to be. */
function action(random: Random, kind: Kind, table: number): [string, Kind] {
  const plain = PLAIN[random.below(PLAIN.length)]!
  const later = Math.min(table + 1 + random.below(2), LAST_TABLE)
  switch (random.below(9)) {
    case 0:
    case 1:
      return [pick(random, ['output:1', 'output:2', 'output:3', 'output:4', 'IN_PORT', 'LOCAL', 'output:9']), kind]
    case 2:
      return [`group:${pick(random, table < 4 ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3, 4, 6, 7])}`, kind]
    case 3:
      return table === LAST_TABLE ? [plain, kind] : [`resubmit(,${later})`, kind]
    case 4:
      return isIp(kind) || kind === 'ipv6' ? [connection(random, kind, later), kind] : [plain, kind]
    case 5:
      return ofKind(random, kind) ?? [plain, kind]
    case 6:
      return [`clone(${actions(random, kind, table, 2).join(',')})`, kind]
    default:
      return [plain, kind]
  }
}

const PLAIN: readonly string[] = [
  'push_vlan:0x8100,set_field:4106->vlan_vid',
  'push_vlan:0x8100,pop_vlan',
  'set_field:02:00:00:00:00:55->eth_src',
  'set_field:02:00:00:00:00:66->eth_dst',
  'set_field:1->reg0',
  'set_field:16->reg1',
  'set_field:5/0xff->reg2',
  'move:NXM_OF_IN_PORT[]->NXM_NX_REG3[0..15]',
  'move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]',
  'push:NXM_NX_REG0[],pop:NXM_NX_REG1[]',
  'controller',
  'controller(max_len=128,id=3)',
  'controller(reason=invalid_ttl,max_len=64)',
  'learn(table=5,idle_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
  'learn(table=5,priority=9,NXM_OF_VLAN_TCI[0..11],load:NXM_NX_REG0[]->NXM_NX_REG1[])',
  'note:01.02.03.04.05.06',
  'set_queue:3,output:2,pop_queue',
  'set_field:77->tun_id',
  'NORMAL',
  'multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])',
  'output:NXM_NX_REG3[0..15]',
  'output(port=2,max_len=64)',
  'ct_clear',
]

function ofKind(random: Random, kind: Kind): [string, Kind] | undefined {
  const said = pick(random, OF_KIND[kind])
  return said === undefined
    ? undefined
    : [said, said.startsWith('push_mpls') ? 'mpls' : said.startsWith('pop_mpls') ? 'ip' : kind]
}

const OF_IP = [
  'dec_ttl',
  'set_field:10.9.9.9->ip_dst',
  'set_field:10.8.8.8->ip_src',
  'mod_nw_tos:32',
  'mod_nw_ttl:9',
  'push_mpls:0x8847',
  'push_mpls:0x8847,set_field:100->mpls_label',
]
const OF_KIND: Readonly<Record<Kind, readonly string[]>> = {
  any: ['set_field:3->reg0'],
  tcp: [...OF_IP, 'set_field:8080->tcp_dst', 'set_field:1->tcp_src'],
  udp: [...OF_IP, 'set_field:8080->udp_dst'],
  ip: OF_IP,
  icmp: [...OF_IP, 'set_field:0->icmp_type'],
  ipv6: ['dec_ttl', 'set_field:fd00::9->ipv6_dst', 'set_field:5->ipv6_label'],
  arp: ['set_field:2->arp_op', 'set_field:10.0.0.9->arp_spa', 'move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]'],
  mpls: ['set_field:55->mpls_label', 'dec_mpls_ttl', 'pop_mpls:0x0800', 'set_mpls_ttl:7', 'push_mpls:0x8847'],
}

function connection(random: Random, kind: Kind, later: number): string {
  const zone = chance(random, 0.5) ? [`zone=${pick(random, [5, 7])}`] : []
  const table = chance(random, 0.7) ? [`table=${later}`] : []
  const commit = chance(random, 0.5)
  const marked = commit && chance(random, 0.4) ? ['exec(set_field:1->ct_mark)'] : []
  const nat = kind !== 'ipv6' && chance(random, 0.25) ? [commit ? 'nat(src=10.7.0.1)' : 'nat'] : []
  return `ct(${[...(commit ? ['commit'] : []), ...table, ...zone, ...nat, ...marked].join(',')})`
}

/** Two clauses, one of which is of table 0 alone. */
const conjunction = (random: Random): string[] => {
  const table = random.below(2)
  return [
    `table=${table},priority=200,ip,nw_src=10.0.0.0/24 actions=conjunction(7,1/2)`,
    `table=${table},priority=200,tcp,tp_dst=80 actions=conjunction(7,2/2)`,
    `table=${table},priority=200,conj_id=7,ip actions=output:4,resubmit(,3)`,
  ]
}

// ---- flows to trace ----------------------------------------------------------------------------------------------

const connectionStates = (random: Random): string[] =>
  Array.from({ length: random.below(3) }, () =>
    pick(random, ['trk,new', 'trk,est', 'trk,est,rpl', 'trk,inv', 'trk,rel,new']),
  ).flatMap((state) => ['--ct-next', state])

function frame(random: Random, lives: boolean): string {
  const kind = pick(random, ['tcp', 'tcp', 'tcp', 'udp', 'icmp', 'arp', 'tcp6', 'mpls', ''])
  const ip = `nw_src=10.0.0.${1 + random.below(2)},nw_dst=10.0.0.${1 + random.below(2)},nw_ttl=${lives ? 64 : pick(random, [1, 2, 64])}`
  const [source, destination] = [pick(random, [1000, 2000]), pick(random, [80, 53, 443])]
  const ports = (protocol: string) => `${protocol}_src=${source},${protocol}_dst=${destination}`
  const said: Record<string, string> = {
    tcp: `tcp,${ip},${ports('tcp')},tcp_flags=${pick(random, ['syn', 'ack', 'syn|ack'])}`,
    udp: `udp,${ip},${ports('udp')}`,
    icmp: `icmp,${ip},icmp_type=8,icmp_code=0`,
    arp: 'arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01',
    tcp6: `tcp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,${ports('tcp')}`,
    mpls: 'mpls,mpls_label=100,mpls_bos=1,mpls_ttl=9',
    '': 'dl_type=0x88b5',
  }
  const tag = chance(random, 0.2) ? [`dl_vlan=${pick(random, [10, 20])}`] : []
  const known = chance(random, 0.2) ? [pick(random, ['reg0=1', 'metadata=1', 'tun_id=5', 'reg1=0x10'])] : []
  const macs = `dl_src=02:00:00:00:00:0${pick(random, [1, 3])},dl_dst=02:00:00:00:00:0${pick(random, [2, 4])}`
  return [`in_port=${1 + random.below(4)}`, macs, said[kind] ?? '', ...tag, ...known].join(',')
}
