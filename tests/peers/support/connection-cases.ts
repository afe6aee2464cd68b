// Pipelines that track connections, drawn from a seed as flows in the syntax of ovs-ofctl: firewalls and gateways as people write
// them, and others that join their parts at random.

import type { Random } from '../../../runtime/random.ts'
import { oneOf } from '../../support/frames.ts'
import { chance } from '../../support/random-flows.ts'

type Family = 4 | 6

/** Where one of several addresses or ports may be chosen. */
export interface Pool {
  /** In flow syntax. */
  addresses: readonly string[]
  firstPort: number
  lastPort: number
}

export interface ConnectionCase {
  family: Family
  groups: string[]
  flows: string[]
  translates: boolean
  /** Fragments may come twice: Open vSwitch lets one that it found invalid wait for its datagram anew at the next `ct`. */
  tracksOnce: boolean
  /** Two copies of a frame come into one zone: of fragments Open vSwitch tracks all of one copy first, and we all copies of one. */
  tracksCopies: boolean
  /** Both choose from this for themselves. */
  pool?: Pool
  sequenceChecks: boolean
  /** Of `zone`, and of all others together. */
  limit?: { zone: number; most: number }
}

/** Tables that all pipelines have alike. */
const DELIVER = 20
const NEAR = 1
const FAR = 2

const POOL_PORTS = { firstPort: 20000, lastPort: 20031 }
const POOLS: Readonly<Record<Family, readonly string[]>> = {
  4: ['10.9.0.1', '10.9.0.2', '10.9.0.3', '10.9.0.4', '10.9.0.5', '10.9.0.6'],
  6: ['fd09::1', 'fd09::2', 'fd09::3', 'fd09::4', 'fd09::5', 'fd09::6'],
}
const GATEWAY: Readonly<Record<Family, string>> = { 4: '10.0.9.9', 6: 'fd08::9' }
const SERVER: Readonly<Record<Family, string>> = { 4: '10.0.9.8', 6: 'fd08::8' }
const SERVERS: Readonly<Record<Family, readonly string[]>> = { 4: ['10.0.1.1', '10.0.1.2'], 6: ['fd01::1', 'fd01::2'] }
const CLIENTS: Readonly<Record<Family, readonly string[]>> = { 4: ['10.0.0.1', '10.0.0.2'], 6: ['fd00::1', 'fd00::2'] }

const SHAPES = [firewall, firewall, gateway, gateway, balancer, hairpin, zones, anyOrder] as const

export function connectionCase(random: Random): ConnectionCase {
  const family: Family = chance(random, 0.6) ? 4 : 6
  const draft = new Draft(random, family)
  oneOf(random, SHAPES)(draft)
  draft.deliver()
  return {
    family,
    groups: draft.groups,
    flows: draft.flows,
    translates: draft.translates,
    tracksOnce: draft.tracks <= 1,
    tracksCopies: draft.tracksCopies,
    sequenceChecks: chance(random, 0.85),
    ...(draft.pool && { pool: draft.pool }),
    ...(chance(random, 0.15) && { limit: { zone: draft.zone, most: 1 + random.below(4) } }),
  }
}

class Draft {
  readonly random: Random
  readonly family: Family
  readonly flows: string[] = []
  readonly groups: string[] = []
  /** Fragments of earlier cases may still wait in theirs. */
  readonly zone: number
  translates = false
  tracks = 0
  tracksCopies = false
  pool: Pool | undefined

  constructor(random: Random, family: Family) {
    this.random = random
    this.family = family
    this.zone = 1 + random.below(65000)
  }

  get ip(): string {
    return this.family === 4 ? 'ip' : 'ipv6'
  }

  chance(probability: number): boolean {
    return chance(this.random, probability)
  }

  flow(table: number, priority: number, match: string, actions: string): void {
    const parts = match.split(',').filter((part) => part !== '')
    if (actions.includes('ct(') && !parts.some((part) => /^(ip|tcp|udp)/.test(part))) parts.push(this.ip)
    const words = [`table=${table}`, `priority=${priority}`, ...parts]
    this.flows.push(`${words.join(',')},actions=${actions}`)
  }

  /** `ct(…)`, its zone now and then by a register that is written before. */
  ct(zone: number, ...words: string[]): string {
    this.tracks++
    if (this.chance(0.8)) return `ct(${[`zone=${zone}`, ...words].join(',')})`
    const low = this.random.below(17)
    const part = `NXM_NX_REG5[${low}..${low + 15}]`
    return `load:${zone}->${part},ct(${[`zone=${part}`, ...words].join(',')})`
  }

  commit(zone: number, ...words: string[]): string {
    const exec = this.exec()
    return this.ct(zone, 'commit', ...words, ...(exec === '' ? [] : [exec]))
  }

  exec(): string {
    const { random } = this
    const number = () => random.below(0x10000)
    const mark = oneOf(random, [
      '',
      `set_field:${number()}->ct_mark`,
      `set_field:${number() & 0xff}/0xff->ct_mark`,
      `load:${number()}->NXM_NX_CT_MARK[8..23]`,
      'move:NXM_NX_REG1[]->NXM_NX_CT_MARK[]',
      'move:NXM_OF_IN_PORT[]->NXM_NX_CT_MARK[4..19]',
    ])
    const label = oneOf(random, [
      '',
      '',
      `set_field:0x${number().toString(16)}00000000000000ff->ct_label`,
      `load:${number()}->NXM_NX_CT_LABEL[56..71]`,
      'move:NXM_OF_ETH_SRC[]->NXM_NX_CT_LABEL[80..127]',
    ])
    const all = [mark, label].filter((one) => one !== '')
    return all.length === 0 ? '' : `exec(${all.join(',')})`
  }

  nat(direction: 'src' | 'dst', ownAddress = GATEWAY[this.family]): string {
    this.translates = true
    if (this.chance(0.5)) return this.#natFromPool(direction)
    const port = oneOf(this.random, [undefined, undefined, 8080, 4000])
    return `nat(${direction}=${this.#target([ownAddress], port === undefined ? '' : String(port))})`
  }

  #natFromPool(direction: 'src' | 'dst'): string {
    const addresses = POOLS[this.family].slice(0, oneOf(this.random, [1, 1, 2, 6]))
    const [first] = addresses
    const last = addresses.at(-1)
    this.pool = { addresses: POOLS[this.family], ...POOL_PORTS }
    // Which port is near the one that was there hangs on the address.
    const ports = addresses.length > 1 || this.chance(0.7) ? `${POOL_PORTS.firstPort}-${POOL_PORTS.lastPort}` : ''
    const how = oneOf(this.random, [[], ['hash'], ['random'], ['persistent']])
    const range = first === last ? [first ?? ''] : [first ?? '', last ?? '']
    // Without ports there is nothing to hash them by.
    return `nat(${[`${direction}=${this.#target(range, ports)}`, ...(ports === '' && how[0] !== 'persistent' ? [] : how)].join(',')})`
  }

  #target(addresses: readonly string[], ports: string): string {
    if (ports === '') return addresses.join('-')
    const written = this.family === 4 ? addresses : addresses.map((address) => `[${address}]`)
    return `${written.join('-')}:${ports}`
  }

  /** Frames go on to the other side, and the controller is told all that is known of them. */
  onwards(): string {
    return oneOf(this.random, [`resubmit(,${DELIVER})`, `goto_table:${DELIVER}`, `group:1`])
  }

  deliver(): void {
    this.groups.push(`group_id=1,type=all,bucket=actions=resubmit(,${DELIVER})`)
    const told = this.chance(0.5) ? 'controller(max_len=65535),' : ''
    this.flow(DELIVER, 30, 'reg7=1', `${told}in_port`)
    for (const [port, other] of [
      [NEAR, FAR],
      [FAR, NEAR],
    ])
      this.flow(DELIVER, 20, `in_port=${port}`, `${told}output:${other}`)
    this.flow(DELIVER, 1, '', 'controller(max_len=65535)')
  }
}

/** A match that some of the tracked frames meet. */
function original(draft: Draft): string {
  const { random, family, ip } = draft
  const address = oneOf(random, [...CLIENTS[family], ...SERVERS[family]])
  const word = family === 4 ? 'ct_nw' : 'ct_ipv6'
  return oneOf(random, [
    `ct_state=+trk-inv,${ip},ct_nw_proto=6`,
    `ct_state=+trk-inv,${ip},${word}_src=${address}`,
    `ct_state=+trk-inv,${ip},${word}_dst=${address}`,
    `ct_state=+trk-inv,${ip},ct_nw_proto=6,ct_tp_dst=80`,
    `ct_state=+trk-inv,${ip},ct_nw_proto=17,ct_tp_src=40000/0xfffe`,
    `ct_mark=0/0x1`,
    `ct_mark=1/0x1`,
    `ct_label=0xff/0xff`,
    `ct_zone=${draft.zone}`,
    'ct_state=+rpl',
    'ct_state=-new+est',
    'ct_state=+snat',
    'ct_state=+dnat',
  ])
}

/** Table 0 looks every frame up; table 1 lets in what belongs to connections that began on the near side. */
function firewall(draft: Draft): void {
  const { random, zone, ip } = draft
  const nat = draft.chance(0.4)
  draft.flow(0, 10, ip, draft.ct(zone, 'table=1', ...(nat ? ['nat'] : [])))
  const words = nat ? [draft.nat(oneOf(random, ['src', 'dst']))] : draft.chance(0.15) ? ['force'] : []
  const helper = !nat && words.length === 0 && draft.chance(0.1) ? oneOf(random, ['ftp', 'tftp']) : undefined
  const commit = draft.commit(zone, ...words, ...(helper === undefined ? [] : [`alg=${helper}`]))
  if (helper === undefined && draft.chance(0.3)) {
    draft.flow(1, 50, 'conj_id=7', `load:7->NXM_NX_REG1[],${commit},${draft.onwards()}`)
    draft.flow(1, 50, `ct_state=+trk+new,${ip}`, 'conjunction(7,1/2)')
    for (const port of [NEAR, draft.chance(0.3) ? FAR : 5]) draft.flow(1, 50, `in_port=${port}`, 'conjunction(7,2/2)')
  } else draft.flow(1, 50, `ct_state=+trk+new,${carrier(draft, helper)},in_port=1`, `${commit},${draft.onwards()}`)
  draft.flow(1, 45, `ct_state=+trk+inv,${ip}`, 'controller(max_len=65535)')
  draft.flow(1, 44, `ct_state=+trk+rel,${ip}`, `controller(max_len=65535),${draft.onwards()}`)
  if (draft.chance(0.5)) draft.flow(1, 43, original(draft), `load:3->NXM_NX_REG2[],${draft.onwards()}`)
  const clear = draft.chance(0.2) ? 'ct_clear,' : ''
  draft.flow(1, 40, `ct_state=+trk+est,${ip}`, `${clear}${draft.onwards()}`)
  draft.flow(1, 1, '', draft.chance(0.5) ? 'drop' : 'controller(max_len=65535)')
}

/** What a gateway for applications needs to be told of. */
function carrier({ family, ip }: Draft, helper: string | undefined): string {
  const protocol = helper === 'ftp' ? 'tcp' : helper === 'tftp' ? 'udp' : undefined
  return protocol === undefined ? ip : `${protocol}${family === 4 ? '' : '6'}`
}

/** Source addresses are translated on the way out, in the same list or with a table more. */
function gateway(draft: Draft): void {
  const { zone, ip } = draft
  const snat = draft.nat('src')
  const before = draft.chance(0.3) ? draft.ct(zone, 'nat', 'table=1') : 'resubmit(,1)'
  draft.flow(0, 10, `${ip},in_port=1`, before)
  if (draft.chance(0.5)) draft.flow(1, 10, `${ip},in_port=1`, draft.commit(zone, snat, 'table=2'))
  else draft.flow(1, 10, `${ip},in_port=1`, `${draft.commit(zone, snat)},${draft.onwards()}`)
  draft.flow(0, 10, `${ip},in_port=2`, draft.ct(zone, 'nat', 'table=2'))
  draft.flow(2, 10, 'ct_state=+trk+inv', 'controller(max_len=65535)')
  if (draft.chance(0.5)) draft.flow(2, 9, original(draft), `controller(max_len=65535),${draft.onwards()}`)
  draft.flow(2, 5, 'ct_state=+trk-new', draft.onwards())
  draft.flow(2, 4, 'ct_state=+trk+new,in_port=1', draft.onwards())
  draft.flow(2, 1, '', 'controller(max_len=65535)')
}

/** Frames to a service go to one of its servers, from a list or out of the buckets of a group. */
function balancer(draft: Draft): void {
  const { zone, ip, family } = draft
  const service = SERVERS[family][0]
  draft.flow(0, 10, ip, draft.ct(zone, 'nat', 'table=1'))
  const to = family === 4 ? `nw_dst=${service}` : `ipv6_dst=${service}`
  const commit = draft.commit(zone, draft.nat('dst'), 'table=2')
  if (draft.chance(0.5)) {
    draft.groups.push(`group_id=2,type=all,bucket=actions=${commit}`)
    draft.flow(1, 20, `ct_state=+trk+new,${ip},${to}`, 'group:2')
  } else draft.flow(1, 20, `ct_state=+trk+new,${ip},${to}`, commit)
  draft.flow(1, 10, `ct_state=+trk+new,${ip}`, draft.commit(zone, 'table=2'))
  draft.flow(1, 5, 'ct_state=+trk-inv', draft.onwards())
  draft.flow(2, 5, '', draft.onwards())
  draft.flow(1, 1, '', 'controller(max_len=65535)')
}

/** A service's server stands on the side of its clients: both addresses are translated, in a zone each. */
function hairpin(draft: Draft): void {
  const { zone, ip, family } = draft
  const second = zone + 1
  const to = family === 4 ? `nw_dst=${SERVERS[family][0]}` : `ipv6_dst=${SERVERS[family][0]}`
  const dnat = `nat(dst=${SERVER[family]})`
  draft.translates = true
  draft.flow(0, 10, `${ip},in_port=1`, draft.ct(second, 'nat', 'table=1'))
  // What has been translated already is not translated again.
  draft.flow(1, 20, 'ct_state=+snat', `load:1->NXM_NX_REG6[],${draft.ct(zone, 'nat', 'table=2')}`)
  draft.flow(1, 10, '', draft.ct(zone, 'nat', 'table=2'))
  draft.flow(2, 20, `ct_state=+trk+new,${ip},${to}`, draft.commit(zone, dnat, 'table=3'))
  draft.flow(2, 10, `ct_state=+trk+new`, draft.commit(zone, 'table=3'))
  draft.flow(2, 5, '', 'resubmit(,3)')
  draft.flow(3, 10, '', draft.ct(second, 'table=4'))
  draft.flow(4, 10, `reg6=0,ct_state=+trk+new,${ip}`, draft.commit(second, draft.nat('src'), 'table=5'))
  draft.flow(4, 5, '', 'resubmit(,5)')
  draft.flow(5, 10, '', `load:1->NXM_NX_REG7[],${draft.onwards()}`)
  draft.flow(0, 5, '', 'controller(max_len=65535)')
}

/** One zone after the other, as routers of routers have them. */
function zones(draft: Draft): void {
  const { random, zone, ip } = draft
  const count = 2 + random.below(2)
  const translating = random.below(count + 1)
  for (let index = 0; index < count; index++) {
    const table = 2 * index
    const nat = index === translating
    const clear = index > 0 && draft.chance(0.2) ? 'ct_clear,' : ''
    draft.flow(table, 10, ip, `${clear}${draft.ct(zone + index, `table=${table + 1}`, ...(nat ? ['nat'] : []))}`)
    draft.flow(
      table + 1,
      10,
      `ct_state=+trk+new,in_port=${draft.chance(0.9) ? NEAR : FAR}`,
      draft.commit(zone + index, ...(nat ? [draft.nat('src')] : []), `table=${table + 2}`),
    )
    if (draft.chance(0.3))
      draft.flow(table + 1, 9, original(draft), `controller(max_len=65535),resubmit(,${table + 2})`)
    draft.flow(table + 1, 5, 'ct_state=+trk-inv', `resubmit(,${table + 2})`)
    draft.flow(table + 1, 1, '', 'controller(max_len=65535)')
  }
  draft.flow(2 * count, 10, '', draft.onwards())
}

/** Tracks, commits and clears in any order. */
function anyOrder(draft: Draft): void {
  const translates = draft.chance(0.4)
  const tables = 2 + draft.random.below(4)
  const nat = translates ? draft.nat(oneOf(draft.random, ['src', 'dst'])) : ''
  for (let table = 0; table < tables; table++) {
    const next = table + 1 === tables ? DELIVER : table + 1
    for (let priority = 10; priority > 0; priority--) {
      if (priority > 1 && draft.chance(0.6)) continue
      const match =
        priority === 1 ? '' : `in_port=${oneOf(draft.random, [NEAR, FAR])},${table === 0 ? draft.ip : original(draft)}`
      if (/in_port.*in_port/.test(match)) continue
      draft.flow(table, priority, match, randomList(draft, next, nat))
    }
  }
}

function randomList(draft: Draft, next: number, nat: string): string {
  const { random } = draft
  const zone = () => draft.zone + random.below(2)
  const restore = nat === '' || draft.chance(0.3) ? [] : ['nat']
  const onwards = `resubmit(,${next})`
  const commit = (...words: string[]) => draft.commit(zone(), ...(nat === '' ? [] : [nat]), ...words)
  return oneOf(random, [
    () => draft.ct(zone(), ...restore, `table=${next}`),
    () => draft.ct(zone(), ...restore, `table=${next}`),
    () => `load:${random.below(256)}->NXM_NX_REG1[],${draft.ct(zone(), ...restore, `table=${next}`)}`,
    () => commit(`table=${next}`),
    () => `${commit()},${onwards}`,
    () => {
      draft.tracksCopies = true
      return `clone(${commit()}),${onwards}`
    },
    () => {
      draft.tracksCopies = true
      return `${draft.ct(zone(), ...restore, `table=${next}`)},${onwards}`
    },
    () => `ct_clear,${onwards}`,
    () => `controller(max_len=65535),${onwards}`,
    () => `load:${random.below(256)}->NXM_NX_REG1[],goto_table:${next}`,
  ])()
}
