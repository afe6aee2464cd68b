// The rows, for people and for programs.

import Table from 'cli-table3'
import type { Peer } from './bench.ts'
import type { Row } from './measure.ts'

const NAMES: Readonly<Record<Peer, string>> = { ovs: 'Open vSwitch', ovn: 'Open Virtual Network' }

export function tableOf(rows: readonly Row[], against: Peer = 'ovs'): string {
  const beside = rows.some(({ peer }) => peer !== undefined)
  const others = beside ? [NAMES[against], 'min', 'max', 'ratio'] : []
  const table = new Table({
    head: ['what', 'unit', 'ours', 'min', 'max', ...others, 'runs'],
    style: { head: [], border: [] },
  })
  for (const row of rows) {
    const { name, unit, ours, min, max, peer, runs } = row
    const figures = [ours, min, max].map(readable)
    const theirs = peer === undefined ? ['', '', '', ''] : [peer.median, peer.min, peer.max].map(readable)
    if (peer !== undefined) theirs.push(readable(ours / peer.median))
    table.push([name, unit, ...figures, ...(beside ? theirs : []), runs])
  }
  return table.toString()
}

/**
 * `ours` and `peer` are medians, `ratio` is ours divided by the peer's; `min` and `max` are ours. Of a row that has no peer,
 * `peer` and `ratio` are null.
 */
export function jsonOf(rows: readonly Row[]): string {
  const plain = rows.map(({ name, unit, ours, min, max, peer, runs }) => ({
    name,
    unit,
    ours,
    peer: peer?.median ?? null,
    ratio: peer === undefined ? null : ours / peer.median,
    min,
    max,
    peerMin: peer?.min ?? null,
    peerMax: peer?.max ?? null,
    runs,
  }))
  return JSON.stringify({ rows: plain }, null, 2) + '\n'
}

function readable(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}
