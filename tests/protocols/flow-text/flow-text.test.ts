import { describe, expect, test } from 'vitest'
import type { FieldName } from '../../../protocols/fields.ts'
import { FIELDS } from '../../../protocols/fields.ts'
import {
  parseActions,
  parseFlow,
  parseFlowFilter,
  parseFlowMod,
  parseGroupMod,
  parseMatch,
  parseMeterMod,
} from '../../../protocols/flow-text/parse.ts'
import { printActions, printFlow, printFlowStatistics, printMatch } from '../../../protocols/flow-text/print.ts'
import { checkMatch } from '../../../protocols/match.ts'
import { seeded } from '../../../runtime/random.ts'
import { admissible } from '../../support/admissible-flows.ts'
import { EVERYTHING, randomFlow, randomMatch, randomStatistics } from '../../support/random-flows.ts'
import { seeds } from '../../support/seeds.ts'

const names = ['eth1', 'web1:eth0', 'uplink', '7up']
const ports = {
  number: (name: string) => (names.includes(name) ? names.indexOf(name) + 1 : undefined),
  name: (number: number) => names[number - 1],
  names: () => names,
}

describe('what was printed parses to the same', () => {
  test.each(seeds(1))('flow (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let i = 0; i < 600; i++) {
      const flow = randomFlow(random, EVERYTHING)
      expect(parseFlow(printFlow(admissible(flow)))).toEqual(admissible(flow))
    }
  })

  test('flow with names of ports', () => {
    const random = seeded(6)
    for (let i = 0; i < 400; i++) {
      const flow = admissible(randomFlow(random, EVERYTHING))
      expect(parseFlow(printFlow(flow, { ports }), { ports })).toEqual(flow)
    }
  })

  test('flow from its line in a full dump', () => {
    const random = seeded(7)
    for (let i = 0; i < 400; i++) {
      const { duration: _, idleAge: __, packets: ___, bytes: ____, ...drawn } = randomStatistics(random, EVERYTHING)
      const flow = admissible(drawn)
      const line = printFlowStatistics({ ...flow, duration: 1n, idleAge: 2n, packets: 3n, bytes: 4n })
      expect(parseFlow(line)).toEqual(flow)
    }
  })
})

test('random matches name every field and keep their prerequisites', () => {
  const random = seeded(8)
  const seen = new Set<FieldName>()
  for (let i = 0; i < 3000; i++) {
    const match = randomMatch(random, EVERYTHING)
    checkMatch(match)
    for (const { field } of match) seen.add(field)
  }
  expect(FIELDS.map((field) => field.name).filter((name) => !seen.has(name))).toEqual([])
})

describe('prints as Open vSwitch does', () => {
  const cases: [string, string][] = [
    [
      'cookie=1,table=3,priority=100,tcp,in_port=1,dl_vlan=10,nw_src=10.0.0.0/24,tp_dst=80,reg0=5,reg1=0x10/0xf0,actions=output:2',
      ' cookie=0x1, table=3, priority=100,tcp,reg0=0x5,reg1=0x10/0xf0,in_port=1,dl_vlan=10,nw_src=10.0.0.0/24,tp_dst=80 actions=output:2',
    ],
    [
      'cookie=0x1,idle_timeout=5,hard_timeout=6,send_flow_rem,check_overlap,reset_counts,dl_vlan_pcp=3,actions=drop',
      ' cookie=0x1, idle_timeout=5, hard_timeout=6, send_flow_rem check_overlap reset_counts dl_vlan_pcp=3 actions=drop',
    ],
    ['actions=goto_table:5', ' actions=goto_table:5'],
    ['dl_vlan=0xffff,actions=normal', ' vlan_tci=0x0000/0x1fff actions=NORMAL'],
    ['vlan_tci=0x1005/0x1fff,actions=IN_PORT', ' dl_vlan=5 actions=IN_PORT'],
    ['vlan_tci=0xb005,actions=drop', ' dl_vlan=5,dl_vlan_pcp=5 actions=drop'],
    ['vlan_vid=0x1000/0x1000,actions=controller(max_len=5)', ' vlan_tci=0x1000/0x1000 actions=CONTROLLER:5'],
    [
      'ip,nw_tos=184,nw_ecn=1,nw_ttl=64,ip_frag=later,nw_proto=47,actions=mod_nw_src:1.2.3.4,mod_nw_tos:184,mod_nw_ttl:3,mod_nw_ecn:1,dec_ttl',
      ' ip,nw_proto=47,nw_tos=184,nw_ecn=1,nw_ttl=64,nw_frag=later actions=set_field:1.2.3.4->ip_src,set_field:46->ip_dscp,mod_nw_ttl:3,set_field:1->nw_ecn,dec_ttl',
    ],
    [
      'tcp,tcp_flags=+syn-ack,tp_src=0x50/0xfff0,actions=mod_tp_src:80',
      ' tcp,tp_src=0x50/0xfff0,tcp_flags=+syn-ack actions=set_field:80->tcp_src',
    ],
    ['tcp,tcp_flags=0x12,actions=drop', ' tcp,tcp_flags=syn|ack actions=drop'],
    ['tcp,tcp_flags=0x12/0x800,actions=drop', ' tcp,tcp_flags=-[800] actions=drop'],
    [
      'icmp6,icmp_type=136,nd_tll=02:00:00:00:00:01/ff:ff:ff:00:00:00,actions=drop',
      ' icmp6,icmp_type=136,nd_tll=02:00:00:00:00:00/ff:ff:ff:00:00:00 actions=drop',
    ],
    [
      'arp,nw_src=1.2.3.4,arp_tha=02:00:00:00:00:02,arp_op=1,actions=drop',
      ' arp,arp_spa=1.2.3.4,arp_op=1,arp_tha=02:00:00:00:00:02 actions=drop',
    ],
    ['nw_proto=6,ip,tp_dst=5,actions=drop', ' tcp,tp_dst=5 actions=drop'],
    [
      'actions=load:0x5->NXM_NX_REG0[0..15],load:1->OXM_OF_METADATA[]',
      ' actions=load:0x5->NXM_NX_REG0[0..15],load:0x1->OXM_OF_METADATA[]',
    ],
    ['actions=move:OXM_OF_ETH_SRC[0]->NXM_NX_REG0[3]', ' actions=move:NXM_OF_ETH_SRC[0]->NXM_NX_REG0[3]'],
    [
      'actions=resubmit(,5),resubmit(3,5),resubmit:4,resubmit(3),resubmit(in_port,4)',
      ' actions=resubmit(,5),resubmit(3,5),resubmit:4,resubmit:3,resubmit(,4)',
    ],
    [
      'actions=clone(resubmit(,30)),clone(clone(1),2),3',
      ' actions=clone(resubmit(,30)),clone(clone(output:1),output:2),output:3',
    ],
    ['actions=clone(),clone(drop),clone', ' actions=clone(drop),clone(drop),clone(drop)'],
    ['ip tcp  tp_dst=80 actions=output:1 2', ' tcp,tp_dst=80 actions=output:1,output:2'],
    ['in_port=LOCAL,actions=output:65534,CONTROLLER', ' in_port=LOCAL actions=LOCAL,CONTROLLER:65535'],
    ['priority=7,actions=mod_vlan_vid:5,mod_vlan_pcp:3', ' priority=7 actions=mod_vlan_vid:5,mod_vlan_pcp:3'],
    [
      'actions=meter:3,output:1,clear_actions,write_actions(output:2,pop_vlan),write_metadata:0x5/0xff,goto_table:7',
      ' actions=meter:3,output:1,clear_actions,write_actions(output:2,pop_vlan),write_metadata:0x5/0xff,goto_table:7',
    ],
    [
      'udp,actions=ct(commit,nat(random,persistent,src=10.0.0.1-10.0.0.9:1000-2000))',
      ' udp actions=ct(commit,nat(src=10.0.0.1-10.0.0.9:1000-2000,persistent,random))',
    ],
    [
      'tcp6,actions=ct(commit,nat(dst=[fd00::1]-[fd00::9]:80-80,hash))',
      ' tcp6 actions=ct(commit,nat(dst=[fd00::1]-[fd00::9]:80,hash))',
    ],
  ]

  test.each(cases)('%s', (given, printed) => {
    expect(printFlow(parseFlow(given))).toBe(printed)
  })

  test('names of ports, in quotes where they need them', () => {
    const flow = parseFlow('in_port=web1:eth0,actions=web1:eth0,output:"web1:eth0",uplink,7up', { ports })
    expect(printFlow(flow, { ports })).toBe(
      ' in_port="web1:eth0" actions=output:"web1:eth0",output:"web1:eth0",output:uplink,output:"7up"',
    )
    expect(printFlow(flow)).toBe(' in_port=2 actions=output:2,output:2,output:3,output:4')
  })

  test('a line of a full dump', () => {
    const flow = {
      ...parseFlow('priority=5,tcp,actions=1'),
      duration: 9_800_000_000n,
      idleAge: 2_100_000_000n,
      packets: 7n,
      bytes: 420n,
    }
    expect(printFlowStatistics(flow)).toBe(
      ' cookie=0x0, duration=9.800s, table=0, n_packets=7, n_bytes=420, idle_age=2, priority=5,tcp actions=output:1',
    )
  })
})

test('a filter takes a cookie with its mask, a table, a port', () => {
  expect(parseFlowFilter('')).toEqual({ table: 255, match: [], cookie: 0n, cookieMask: 0n })
  expect(parseFlowFilter('table=3,cookie=0x5/0xf,out_port=LOCAL,tcp')).toMatchObject({
    table: 3,
    cookie: 5n,
    cookieMask: 15n,
    outPort: 0xfffffffe,
  })
  expect(parseFlowFilter('cookie=5/-1')).toMatchObject({ cookie: 5n, cookieMask: 2n ** 64n - 1n })
})

test('a match and actions stand alone as well', () => {
  expect(printMatch(parseMatch('udp,tp_dst=53'))).toBe('udp,tp_dst=53')
  expect(printActions(parseActions('mod_nw_src:1.2.3.4,2'))).toBe('set_field:1.2.3.4->ip_src,output:2')
  expect(parseActions('drop')).toEqual([])
})

describe('says what is wrong, and where', () => {
  const cases: [string, number, RegExp][] = [
    ['tcp,tp_dts=80,actions=drop', 5, /unknown keyword 'tp_dts'.*did you mean 'tp_dst'/],
    ['prioritty=5,actions=drop', 1, /did you mean 'priority'/],
    ['tp_dst=80,actions=drop', 1, /tp_dst needs tcp, udp or sctp beside it/],
    ['ip,tp_dst=80,actions=drop', 4, /tp_dst needs tcp, udp or sctp beside it/],
    ['nw_src=10.0.0.1,actions=drop', 1, /nw_src needs ip beside it/],
    ['tcp6,nw_src=10.0.0.1,actions=drop', 6, /nw_src needs ip beside it/],
    ['icmp6,nd_target=fe80::1,actions=drop', 7, /nd_target needs icmp6,icmp_type=135/],
    ['tcp,tp_dst=70000,actions=drop', 12, /70000 is out of range/],
    ['table=254,actions=drop', 7, /254 is out of range/],
    ['priority=70000,actions=drop', 10, /at most 65535/],
    ['dl_vlan=4096,actions=drop', 9, /0 to 4095/],
    ['dl_vlan=5,dl_vlan_pcp=8,actions=drop', 23, /at most 7/],
    ['dl_vlan=5,vlan_vid=0x1006,actions=drop', 11, /contradicts/],
    ['in_port=web2:eth0,actions=drop', 9, /unknown port 'web2:eth0'.*did you mean 'web1:eth0'/],
    ['tcp,udp,actions=drop', 5, /nw_proto a second value/],
    ['dl_src=02:00:00,actions=drop', 8, /'02:00:00' is no value of eth_src; expected a MAC address/],
    ['ip,nw_src=10.0.0.0/33,actions=drop', 20, /out of range/],
    ['ip,nw_tos=3,actions=drop', 11, /ECN/],
    ['ip,nw_ttl=5/7,actions=drop', 12, /can not be masked/],
    ['tcp=5,actions=drop', 5, /takes no value/],
    ['tcp,tp_dst,actions=drop', 11, /tp_dst has no value/],
    ['tcp,tp_dst=80', 14, /no actions/],
    ['cookie=5/3,actions=drop', 9, /cookie mask/],
    ['actions=ouptut:3', 9, /unknown action 'ouptut'.*did you mean 'output'/],
    ['actions=output:nosuch', 16, /unknown port 'nosuch'/],
    ['actions=drop,output:1', 9, /drop stands beside/],
    ['actions=goto_table:5,output:1', 22, /output stands after goto_table/],
    ['actions=goto_table:5,goto_table:6', 22, /twice/],
    ['actions=goto_table:254', 20, /out of range/],
    ['actions=resubmit(,300)', 19, /out of range/],
    ['actions=mod_nw_src:1.2.3.4', 9, /mod_nw_src needs ip beside it/],
    ['actions=mod_tp_dst:80', 9, /mod_tp_dst needs tcp, udp or sctp beside it/],
    ['ip,actions=set_field:1.2.3.4->ip_sorc', 31, /unknown field 'ip_sorc'/],
    ['ip,actions=set_field:6->nw_proto', 25, /can not be written/],
    ['ip,actions=set_field:1.2.3.4', 22, /has no '->'/],
    ['actions=load:0x5->NXM_NX_REG0[0..1]', 14, /out of range/],
    ['actions=load:0x5->NXM_NX_REG0[0..32]', 30, /bits 0\.\.32 are not in/],
    ['actions=move:NXM_NX_REG0[]->NXM_NX_REG1[0..3]', 14, /32 bits do not fit 4/],
    ['actions=push_vlan:0x9100', 19, /0x8100 or 0x88a8/],
    ['actions=write_actions(output:1', 9, /not closed/],
    ['constructor,actions=drop', 1, /unknown keyword 'constructor'/],
    ['ip,ip_frag=constructor,actions=drop', 12, /no value of ip_frag/],
    ['actions=constructor:3', 9, /unknown action 'constructor'/],
    ['actions=clone(output:1', 9, /not closed/],
    ['actions=clone(goto_table:5)', 15, /unknown action 'goto_table'/],
    ['actions=clone(push_vlan:0x8100),set_field:3->vlan_pcp', 46, /vlan_pcp needs/],
    [`actions=${'clone('.repeat(17)}1${')'.repeat(17)}`, 9 + 16 * 6, /16 at most/],
    ['actions=dec_ttl', 9, /dec_ttl needs ip or ipv6/],
    ['ct_state=+trk+nwe,actions=drop', 15, /unknown flag 'nwe'/],
    ['ct_state=+trk-trk,actions=drop', 15, /named twice/],
    ['xreg0=1,reg1=2,actions=drop', 9, /reg1 a second value/],
    ['importance=70000,actions=drop', 12, /out of range/],
    ['out_port=3,actions=drop', 1, /no part of a flow/],
    ['table=5,actions=goto_table:5', 28, /table 5 is not behind table 5/],
    ['actions=set_field:1->ct_mark', 22, /outside of ct/],
    ['ip,actions=ct(commit,exec(set_field:1->reg0))', 40, /reg0 is written in ct/],
    ['ip,actions=ct(commit,exec(output:1))', 27, /output stands in ct/],
    ['ip,actions=ct(exec(set_field:1->ct_mark))', 12, /without commit/],
    ['ip,actions=ct(comit)', 15, /unknown option 'comit' of ct.*did you mean 'commit'/],
    ['ip,actions=ct(commit,nat(src=1.2.3.9-1.2.3.1))', 30, /runs backwards/],
    ['ip,actions=ct(commit,nat(src=fe80::1))', 22, /needs ipv6/],
    ['ipv6,actions=ct(commit,nat(src=fd00::x))', 32, /'fd00::x' is not an address/],
    ['ip,actions=nat', 12, /outside of ct/],
    ['actions=ct', 9, /ct needs ip or ipv6/],
    ['ip,actions=push_mpls:0x8847,dec_ttl', 29, /dec_ttl needs ip/],
    ['actions=decap(),mod_dl_src:02:00:00:00:00:01', 17, /needs an Ethernet header/],
    ['actions=set_field:4097->vlan_vid', 25, /needs dl_vlan/],
    ['actions=push_vlan:0x8100,set_field:1->vlan_vid', 36, /no tag/],
    ['actions=resubmit(,)', 18, /neither port nor table/],
    ['actions=resubmit(1,2,tc)', 22, /unknown option of resubmit 'tc'/],
    ['actions=conjunction(1,3/2)', 21, /no clause/],
    ['actions=conjunction(1,1/2),output:1', 28, /stands beside conjunction/],
    ['actions=controller(pause)', 20, /pausing .* not supported/],
    ['actions=note:a', 14, /hexadecimal/],
    ['actions=multipath(eth_src,50,modulo_n,5,0,NXM_NX_REG0[0..1])', 43, /can not hold 5 links/],
    ['actions=bundle(eth_src,0,hrw,ofport,slave:4)', 16, /no members/],
    ['actions=check_pkt_larger(9)->NXM_NX_REG0[0..1]', 30, /2 bits/],
    ['actions=sample()', 9, /no probability/],
    ['actions=learn(tabel=1)', 15, /unknown option 'tabel' of learn/],
    ['actions=learn(NXM_NX_REG0[0..7]=NXM_NX_REG1[0..3])', 33, /4 bits do not fit 8/],
    ['actions=learn(nw_dst=1.2.3.4)', 15, /nw_dst needs ip/],
    ['actions=write_actions(learn())', 23, /no place in an action set/],
    ['actions=push_pbb:0x8100', 18, /service instance/],
  ]

  test.each(cases)('%s', (text, column, problem) => {
    expect(() => parseFlow(text, { ports })).toThrow(problem)
    expect(() => parseFlow(text, { ports })).toThrow(expect.objectContaining({ name: 'FlowSyntaxError', column }))
  })
})

test.each(seeds(1))('text with letters changed parses or fails as flow syntax, never otherwise (seed %i)', (seed) => {
  const random = seeded(seed)
  const letters = ',=:()/[]"->. 0aFx+|\u00e9'
  for (let i = 0; i < 800; i++) {
    const text = [...printFlow(randomFlow(random, EVERYTHING))]
    for (let change = 0; change <= random.below(3); change++)
      text[random.below(text.length)] = letters[random.below(letters.length)]!
    expect(errorName(() => parseFlow(text.join('')))).toMatch(/^(none|FlowSyntaxError)$/)
  }
})

describe('a line of a file of flows', () => {
  test('may begin with another command', () => {
    expect(parseFlowMod('tcp,actions=1')).toMatchObject({ type: 'flowMod', command: 'add', table: 0, cookieMask: 0n })
    expect(parseFlowMod('delete table=3,tcp,out_port=1,out_group=2')).toMatchObject({
      command: 'delete',
      table: 3,
      outPort: 1,
      outGroup: 2,
    })
    expect(parseFlowMod('delete')).toMatchObject({ command: 'delete', table: 255, match: [] })
    expect(parseFlowMod('delete_strict priority=5,ip')).toMatchObject({ command: 'delete-strict', priority: 5 })
    expect(parseFlowMod('modify cookie=0x5/0xf,actions=2')).toMatchObject({
      command: 'modify',
      cookie: 5n,
      cookieMask: 15n,
    })
    expect(parseFlowMod('cookie=7,actions=2', { command: 'modify-strict' })).toMatchObject({
      command: 'modify-strict',
      cookie: 7n,
      cookieMask: 0n,
    })
  })

  test.each([
    ['delete actions=drop', 8, /no actions/],
    ['delete priority=5', 8, /filtered by/],
    ['modify cookie=1/-1,cookie=2,actions=1', 20, /one cookie/],
    ['add cookie=1/1,actions=1', 13, /cookie mask/],
    ['modify ip', 10, /no actions/],
  ])('%s is refused', (text, column, problem) => {
    expect(() => parseFlowMod(text)).toThrow(problem)
    expect(() => parseFlowMod(text)).toThrow(expect.objectContaining({ column }))
  })
})

test('wide registers are the registers they are made of', () => {
  expect(printMatch(parseMatch('xxreg0=1'))).toBe('reg0=0,reg1=0,reg2=0,reg3=0x1')
  expect(printMatch([{ field: 'xreg1', value: 0x500000000n, mask: 0xff00000000n }])).toBe('reg2=0x5/0xff')
  expect(printMatch(parseMatch('reg0=0x1/0xf,xreg0=0x2000000000/0xf000000000'))).toBe('reg0=0x21/0xff')
})

test('what Open vSwitch has no word for is written as its like is', () => {
  const text = ' dl_type=0x88e7,pbb_isid=0x5/0xff actions=set_field:0x7->pbb_isid,pop_pbb,push_pbb:0x88e7'
  expect(printFlow(parseFlow(text))).toBe(text)
  const labels = ' mpls,in_port=1,in_phy_port=2 actions=copy_ttl_in,copy_ttl_out'
  expect(printFlow(parseFlow(labels))).toBe(labels)
  expect(printMatch(parseMatch('ipv6,ipv6_exthdr=0x5/0x1f'))).toBe('ipv6,ipv6_exthdr=0x5/0x1f')
})

describe('a stranger can not keep us busy', () => {
  const many = (text: string, count: number) => text.repeat(count)
  test.each([
    ['nothing but brackets', many('clone(', 40_000)],
    ['brackets within brackets', `actions=${many('clone(', 5000)}1${many(')', 5000)}`],
    ['a long word', `actions=${many('a', 200_000)}`],
    ['a long number', `reg0=${many('9', 200_000)},actions=drop`],
    ['a long address', `ipv6,ipv6_src=${many('1:', 100_000)},actions=drop`],
    ['a long range', `ip,actions=ct(commit,nat(src=${many('1.', 100_000)}))`],
    ['white space', `actions=check_pkt_larger(1${many(' ', 200_000)}x)`],
    ['a long note', `actions=note:${many('ab.', 60_000)}x`],
    ['many flags', `tcp,tcp_flags=${many('+', 200_000)},actions=drop`],
    ['many parts to learn', `ip,actions=learn(${many('reg0=1,', 30_000)}x)`],
    ['too much of all', many('ip,', 100_000)],
  ])('with %s', (_name, text) => {
    expect(errorName(() => parseFlow(text))).toBe('FlowSyntaxError')
    expect(errorName(() => parseGroupMod(text))).toBe('FlowSyntaxError')
    expect(errorName(() => parseMeterMod(text))).toBe('FlowSyntaxError')
  })
})

function errorName(work: () => unknown): string {
  try {
    work()
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.name : 'no error at all'
  }
}
