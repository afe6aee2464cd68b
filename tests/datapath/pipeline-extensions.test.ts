import { describe, expect, test } from 'vitest'
import { readField } from '../../datapath/flow-key.ts'
import type { TranslationObserver } from '../../datapath/pipeline/observer.ts'
import { translate, translateActions } from '../../datapath/pipeline/pipeline.ts'
import type { Action, Subfield } from '../../protocols/control/messages.ts'
import { HASH_FIELDS } from '../../protocols/control/messages.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { pick, randomBits } from '../support/random-flows.ts'
import { keyOf } from '../support/random-keys.ts'
import { PipelineBench, bench, hex, portsOf, udp } from '../support/pipeline-bench.ts'

describe('registers and the stack', () => {
  const REGISTERS = [
    'reg0',
    'reg1',
    'reg7',
    'xreg1',
    'xreg7',
    'xxreg0',
    'xxreg3',
    'metadata',
    'tun_id',
    'pkt_mark',
  ] as const

  function randomPart(random: Random, most = 128): Subfield {
    const field = pick(random, REGISTERS)
    const { bits: width } = fieldOf(field)
    const bits = 1 + random.below(Math.min(width, most))
    return { field, offset: random.below(width - bits + 1), bits }
  }

  test.each([1, 2, 3])('load, move, push and pop do to bits what a string of bits does (seed %i)', (seed) => {
    const random = seeded(seed)
    const key = keyOf(udp())
    for (let i = 0; i < 150; i++) {
      // Registers as one number each, and those that lie in others as parts of them.
      const twin = new Map<string, bigint>()
      const place = ({ field, offset }: Subfield): [string, bigint] => {
        const { word } = fieldOf(field)
        const isRegister = word >= 3 && word < 19
        if (!isRegister) return [field, BigInt(offset)]
        const ends = word - 3 + fieldOf(field).bits / 32
        return ['registers', BigInt(32 * (16 - ends) + offset)]
      }
      const read = (part: Subfield) => {
        const [name, at] = place(part)
        return BigInt.asUintN(part.bits, (twin.get(name) ?? 0n) >> at)
      }
      const write = (part: Subfield, value: bigint) => {
        const [name, at] = place(part)
        const mask = ((1n << BigInt(part.bits)) - 1n) << at
        twin.set(name, ((twin.get(name) ?? 0n) & ~mask) | ((value << at) & mask))
      }
      const stack: bigint[] = []
      const actions = Array.from({ length: 30 }, (): Action => {
        const to = randomPart(random)
        switch (random.below(4)) {
          case 0: {
            const value = randomBits(random, to.bits)
            write(to, value)
            return { type: 'load', value, to }
          }
          case 1: {
            const from = randomPart(random, to.bits)
            const narrow = { ...to, bits: from.bits }
            write(narrow, read(from))
            return { type: 'move', from, to: narrow }
          }
          case 2:
            stack.push(read(to))
            return { type: 'stack_push', from: to }
          default: {
            const top = stack.pop()
            if (top !== undefined) write(to, top)
            return { type: 'stack_pop', to }
          }
        }
      })
      const said = translateActions(bench().context, key, actions, 0)
      for (const field of REGISTERS) {
        const whole = { field, offset: 0, bits: fieldOf(field).bits }
        expect(readField(said.key, fieldOf(field))).toBe(read(whole))
      }
    }
  })

  test('a clone leaves the stack as it was, a resubmit does not', () => {
    const flow = bench(
      'actions=load:1->NXM_NX_REG0[],push:NXM_NX_REG0[],clone(pop:NXM_NX_REG1[]),resubmit(,1),pop:NXM_NX_REG3[],resubmit(,2)',
      'table=1,actions=load:9->NXM_NX_REG0[],push:NXM_NX_REG0[]',
      'table=2,reg3=9,actions=2',
    )
    expect(portsOf(flow.receive(udp()))).toEqual(['2'])
  })

  test('more than 64 kB on the stack end the frame', () => {
    const pushes = 'push:NXM_NX_XXREG0[],'.repeat(200)
    const flow = bench(`actions=${pushes}resubmit(,1)`, `table=1,actions=${pushes}resubmit(,0)`)
    expect(flow.receive(udp())).toEqual(['drop stack_too_deep'])
  })
})

describe('outputs', () => {
  test('by a register, reserved ports in 16 bits included', () => {
    const by = (value: number) =>
      portsOf(bench(`actions=load:${value}->NXM_NX_REG0[],output:NXM_NX_REG0[]`).receive(udp(), 2))
    expect(by(3)).toEqual(['3'])
    expect(by(0xfff8)).toEqual(['2'])
    expect(by(0xfffc)).toEqual(['1', '3', '4'])
    expect(by(0x1_0000)).toEqual(['drop unknown_port'])
    expect(by(2)).toEqual(['drop no_recipient'])
  })

  test('cut to a length, as it is before a tag is put on it, others whole', () => {
    const heard = bench('actions=output(port=2,max_len=20),3').receive(udp())
    expect(heard).toEqual([`2: ${hex(udp().subarray(0, 20))}`, `3: ${hex(udp())}`])
    const tagged = bench('actions=push_vlan:0x8100,output(port=2,max_len=20)').receive(udp())
    expect(tagged).toEqual([`2: ${hex(udp({ vlan: [{ id: 0 }] }).subarray(0, 24))}`])
  })

  test('through a queue, until it is popped; a clone has its own', () => {
    const heard = bench('actions=set_queue:7,2,clone(set_queue:9,4),3,pop_queue,4').receive(udp())
    expect(portsOf(heard)).toEqual(['2 queue 7', '4 queue 9', '3 queue 7', '4'])
  })

  test('by FLOOD and NORMAL leave out ports that are not to be flooded; ALL does not', () => {
    for (const [action, expected] of [
      ['flood', ['4']],
      ['NORMAL', ['4']],
      ['all', ['3', '4']],
    ] as const) {
      const flow = bench(`actions=${action}`)
      flow.context.ports.setFlags(3, { noFlood: true })
      expect(portsOf(flow.receive(udp(), 2)).filter((port) => port !== '1')).toEqual(expected)
    }
  })

  test('to the controller say why, for whom and with what', () => {
    const flow = bench(
      'priority=5,actions=controller(id=4,max_len=30,reason=no_match,userdata=01.02),write_actions(controller)',
    )
    flow.receive(udp())
    expect(flow.packetIns).toMatchObject([
      { controllerId: 4, maxLength: 30, reason: 'no_match', userdata: Uint8Array.of(1, 2) },
      { reason: 'action_set' },
    ])
    flow.send(udp(), [{ type: 'controller', maxLength: 9 }])
    expect(flow.packetIns).toMatchObject([{ reason: 'packet_out', cookie: 0xffffffffffffffffn }])
  })

  test('to the controller pass no more often than their meter lets them', () => {
    const flow = new PipelineBench([{}, {}])
    flow.meters.set({ meter: 1, unit: 'packets', bands: [{ type: 'drop', rate: 1n, burst: 1n }] }, 0)
    flow.flows('actions=controller(meter_id=1),2')
    expect(portsOf(flow.receive(udp()))).toEqual(['2'])
    expect(flow.packetIns).toHaveLength(1)
    expect(portsOf(flow.receive(udp()))).toEqual(['drop rate_limited', '2'])
    expect(flow.packetIns).toHaveLength(0)
  })

  test('of an expired TTL go to all controllers that are named', () => {
    const flow = bench('ip,actions=dec_ttl(3,0,7),2')
    expect(flow.receive(udp({ ttl: 1 }))).toEqual(['drop ttl_expired'])
    expect(flow.packetIns.map(({ controllerId = 0 }) => controllerId)).toEqual([3, 0, 7])
  })
})

describe('multipath and bundle', () => {
  const linksOf = (algorithm: string, links: number) => {
    const flow = bench(`actions=multipath(symmetric_l3l4+udp,5,${algorithm},${links},0,NXM_NX_REG0[])`)
    return (srcPort: number) =>
      Number(readField(translate(flow.context, keyOf(udp({ srcPort })), 0).key, fieldOf('reg0')))
  }

  test.each(['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'])(
    '%s spreads flows evenly over all links',
    (algorithm) => {
      const linkOf = linksOf(algorithm, 5)
      const counts = new Map<number, number>()
      for (let flow = 0; flow < 1500; flow++) {
        const chosen = linkOf(flow)
        counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
      }
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4])
      for (const count of counts.values()) expect(Math.abs(count - 300)).toBeLessThan(90)
    },
  )

  test.each([
    ['hash_threshold', 2],
    ['hrw', 5],
    ['iter_hash', 5],
  ])('%s moves few flows when a link is added', (algorithm, share) => {
    const [before, after] = [linksOf(algorithm, 5), linksOf(algorithm, 6)]
    const moved = Array.from({ length: 400 }, (_, flow) => before(flow) !== after(flow))
    expect(moved.filter(Boolean).length / 400).toBeLessThan(1.6 / share)
  })

  test.each(HASH_FIELDS)('%s stays the same where what it goes by does', (fields) => {
    const flow = bench(`actions=bundle(${fields},0,hrw,ofport,members:1,2,3,4)`)
    const seen = Array.from({ length: 12 }, (_, ttl) => portsOf(flow.receive(udp({ ttl: ttl + 2 }), 0)).join())
    expect(new Set(seen).size).toBe(1)
  })

  test('a bundle takes ports that are up', () => {
    const active = bench('actions=bundle(eth_src,0,active_backup,ofport,members:2,3)')
    expect(portsOf(active.receive(udp()))).toEqual(['2'])
    active.context.ports.setLink('p2', false)
    expect(portsOf(active.receive(udp()))).toEqual(['3'])
    active.context.ports.setLink('p3', false)
    expect(active.receive(udp())).toEqual(['drop no_recipient'])
    const loaded = bench(
      'actions=bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[0..15],members:9),resubmit(,1)',
      'table=1,reg0=0xffff,actions=4',
    )
    expect(portsOf(loaded.receive(udp()))).toEqual(['4'])
  })
})

describe('exit', () => {
  test('ends all lists, also from within a clone, and leaves the action set undone, as in Open vSwitch', () => {
    expect(portsOf(bench('actions=resubmit(,1),4', 'table=1,actions=2,exit,3').receive(udp()))).toEqual(['2'])
    expect(portsOf(bench('actions=3,clone(2,exit),4').receive(udp()))).toEqual(['3', '2'])
    expect(bench('actions=write_actions(output:2),goto_table:1', 'table=1,actions=exit').receive(udp())).toEqual([
      'drop drop_action_of_pipeline',
    ])
  })
})

describe('the action set', () => {
  test('is matched by its output: unset without one, and where there is a group', () => {
    const flow = new PipelineBench([{}, {}, {}, {}])
      .group({ group: 1, groupType: 'indirect', buckets: [{ actions: [] }] })
      .flows(
        'in_port=1,actions=write_actions(output:2),goto_table:1',
        'in_port=2,actions=goto_table:1',
        'in_port=3,actions=write_actions(output:2,group:1),goto_table:1',
        'table=1,actset_output=2,actions=4',
        'table=1,priority=1,actions=3',
      )
    expect(portsOf(flow.receive(udp(), 1))).toEqual(['4', '2'])
    expect(portsOf(flow.receive(udp(), 2))).toEqual(['3'])
    expect(flow.receive(udp(), 3)).toEqual(['drop no_recipient'])
  })
})

describe('a table that does not take a frame', () => {
  const miss = (config: 'controller' | 'continue' | 'drop' | undefined, settings: { standalone?: boolean } = {}) => {
    const made = new PipelineBench([{}, {}, {}], settings).flows(
      'table=1,udp,actions=2',
      'priority=9,arp,actions=goto_table:1',
    )
    if (config) made.context.tables.configure({ table: 0, miss: config })
    return made
  }

  test('drops it, asks the controller, or hands it to the next, as it is told', () => {
    expect(miss(undefined).receive(udp())).toEqual(['drop table_miss'])
    expect(miss('drop').receive(udp())).toEqual(['drop table_miss'])
    expect(portsOf(miss('continue').receive(udp()))).toEqual(['2'])
    const asking = miss('controller')
    expect(asking.receive(udp())).toEqual(['drop table_miss'])
    expect(asking.packetIns).toMatchObject([{ reason: 'no_match', table: 0 }])
    asking.context.ports.setFlags(1, { noPacketIn: true })
    asking.receive(udp())
    expect(asking.packetIns).toEqual([])
  })

  test('is told nothing of a resubmit', () => {
    const asking = bench('actions=resubmit(,1),2')
    asking.context.tables.configure({ table: 1, miss: 'controller' })
    expect(portsOf(asking.receive(udp()))).toEqual(['2'])
    expect(asking.packetIns).toEqual([])
  })

  test('forwards normally where the switch stands alone', () => {
    expect(portsOf(miss(undefined, { standalone: true }).receive(udp()))).toEqual(['2', '3'])
  })
})

describe('fragments', () => {
  const first = udp()
  first.set([0x20, 0x00], 20)
  const flows = ['priority=2,udp,udp_dst=2,actions=2', 'priority=1,actions=3']

  test.each([
    ['normal', '3'],
    ['reassemble', '3'],
    ['nx-match', '2'],
    ['drop', 'drop fragment'],
  ] as const)('%s', (fragments, expected) => {
    const flow = new PipelineBench([{}, {}, {}], { fragments }).flows(...flows)
    expect(portsOf(flow.receive(first))).toEqual([expected])
    expect(portsOf(flow.receive(udp()))).toEqual(['2'])
  })
})

test('sample counts and changes nothing', () => {
  const flow = bench('actions=sample(probability=65535,collector_set_id=1),2')
  expect(portsOf(flow.receive(udp()))).toEqual(['2'])
  expect(flow.samples).toBe(1)
})

test('an observer hears of every turn, in order and depth', () => {
  const flow = new PipelineBench([{}, {}, {}, {}])
    .group({ group: 1, groupType: 'indirect', buckets: [{ actions: [{ type: 'output', port: 3 }] }] })
    .flows(
      'actions=resubmit(,1),group:1,write_actions(output:4),goto_table:2',
      'table=1,actions=2',
      'table=2,actions=note:01',
    )
  const heard: string[] = []
  const observer: TranslationObserver = {
    table: (table, found, _key, depth) => heard.push(`${depth} table ${table} ${found !== undefined}`),
    action: ({ type }, depth) => heard.push(`${depth} ${type}`),
    instructions: (_flow, depth) => heard.push(`${depth} instructions`),
    bucket: (group, bucket, depth) => heard.push(`${depth} bucket ${group.spec.group}/${bucket.spec.id}`),
    actionSet: (actions, depth) => heard.push(`${depth} set ${actions.map(({ type }) => type).join()}`),
    note: (text, depth) => heard.push(`${depth} note ${text}`),
    frozen: () => heard.push('frozen'),
    copyEnds: () => heard.push('copy ends'),
    final: () => heard.push('final'),
  }
  translate(flow.context, keyOf(udp()), 0, observer)
  expect(heard).toEqual([
    '0 table 0 true',
    '0 resubmit',
    '1 table 1 true',
    '1 output',
    '0 group',
    '1 bucket 1/0',
    '1 output',
    'copy ends',
    '0 instructions',
    '1 table 2 true',
    '1 note',
    '0 set output',
    '0 output',
    'final',
  ])
})
