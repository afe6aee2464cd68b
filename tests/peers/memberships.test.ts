// Our IGMP and MLD as tshark reads them. Needs the Debian package tshark.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { formatIpv4, formatIpv6 } from '../../protocols/address.ts'
import { seeded } from '../../runtime/random.ts'
import { igmpFrameOf, mldFrameOf, randomIgmp, randomMld } from '../support/random-memberships.ts'
import { writeFrames } from './support/frames-file.ts'
import { tsharkFields } from './support/tshark.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-memberships-'))
afterAll(() => rmSync(folder, { recursive: true }))

const FRAMES = 300

const written = (name: string, frames: readonly Uint8Array[]) => writeFrames(join(folder, name), frames)

/** Groups and sources in the order in which they stand. */
function addressesOf<A>(message: { group: A; extension?: { sources: A[] } } | { records: GroupsAndSources<A>[] }): {
  groups: A[]
  sources: A[]
} {
  if ('group' in message) return { groups: [message.group], sources: message.extension?.sources ?? [] }
  return {
    groups: message.records.map(({ group }) => group),
    sources: message.records.flatMap(({ sources }) => sources),
  }
}

interface GroupsAndSources<A> {
  group: A
  sources: A[]
}

const sorted = (text: string | undefined) => (text ?? '').split(',').filter(Boolean).sort()

test('tshark reads IGMP as we wrote it', () => {
  const random = seeded(1)
  const messages = Array.from({ length: FRAMES }, () => randomIgmp(random))
  const path = written(
    'igmp.pcap',
    messages.map((message) => igmpFrameOf(message)),
  )
  expect(tsharkFields(path, '_ws.malformed || igmp.checksum.status == 0', ['frame.number'])).toEqual([])
  const rows = tsharkFields(path, 'igmp', ['frame.number', 'igmp.maddr', 'igmp.saddr', 'igmp.num_grp_recs'])
  const told = new Map(rows.map(([number, groups, sources]) => [Number(number), { groups, sources }]))
  messages.forEach((message, index) => {
    const { groups, sources } = addressesOf<number>(message)
    const row = told.get(index + 1)
    expect(sorted(row?.groups)).toEqual(groups.map(formatIpv4).sort())
    expect(sorted(row?.sources)).toEqual(sources.map(formatIpv4).sort())
  })
})

test('tshark reads MLD as we wrote it', () => {
  const random = seeded(2)
  const messages = Array.from({ length: FRAMES }, () => randomMld(random))
  const path = written(
    'mld.pcap',
    messages.map((message) => mldFrameOf(message)),
  )
  expect(tsharkFields(path, '_ws.malformed || icmpv6.checksum.status == 0', ['frame.number'])).toEqual([])
  const fields = ['icmpv6.mld.multicast_address', 'icmpv6.mldr.mar.multicast_address']
  const rows = tsharkFields(path, 'icmpv6', ['frame.number', ...fields])
  const told = new Map(rows.map(([number, one, several]) => [Number(number), `${one},${several ?? ''}`]))
  messages.forEach((message, index) => {
    expect(sorted(told.get(index + 1))).toEqual(addressesOf<bigint>(message).groups.map(formatIpv6).sort())
  })
})
