// Connections that a move had brought to its destination are gone from there once it has gone back, also where the controller is killed meanwhile.

import { expect, test } from 'vitest'
import type { MigrationStatus } from '../../../controller/model.ts'
import type { Switch } from '../../../datapath/switch.ts'
import { FormerPlaces, placeLeft } from '../../../lab/explore/places-left.ts'
import type { Nic, Topology } from '../../../topologies/topology.ts'
import { profileOf } from '../../../lab/explore/explore.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { killedOnWayBack } from '../../support/abort-law.ts'
import { answeredAsker } from '../../support/explored-scenarios.ts'
import { isShown, SUBTLE_FAULTS } from '../../support/planted-faults.ts'

/** Of the events of a way back, one in so many is tried; STRIDE=1 tries all. */
const STRIDE = Number(process.env['STRIDE'] ?? 4)

test('a controller that is killed on the way back clears the destination when it starts again', async () => {
  const subject = await Subject.read(answeredAsker('vlan'))
  const { start, all } = (await profileOf(subject)).profile.events
  const undone = Math.round(start + 0.4 * (all - start))
  const killed = await killedOnWayBack(subject, { undone, first: undone + 30, stride: STRIDE, away: 7_000_000 })
  expect(killed.length).toBeGreaterThan(5)
})

test('connections that stay at such a destination are found', async () => {
  const fault = SUBTLE_FAULTS.find(({ breaks }) => breaks === 'nothing-left')!
  expect(await isShown(fault, 100)).toBe(true)
})

const moved = (from: string, to: string, state = 'done') => ({ vm: 'a', from, to, state }) as MigrationStatus
const at = (host: string) => ({ topology: { vms: [{ name: 'a', host, nics: [] }] } as unknown as Topology })

test.each([
  ['that it is not at any more', moved('h1', 'h2'), [], 'h2', 'h1'],
  ['that it has come back from', moved('h1', 'h2', 'failed'), [], 'h1', 'h2'],
  ['also where it went on from elsewhere', moved('h1', 'h2'), [moved('h2', 'h3')], 'h3', 'h1'],
  ['not where it came back', moved('h1', 'h2'), [moved('h2', 'h1')], 'h1', undefined],
  ['not where it came back and left again', moved('h1', 'h2'), [moved('h2', 'h1'), moved('h1', 'h3')], 'h3', undefined],
  ['not where something else has put it elsewhere', moved('h1', 'h2'), [], 'h3', undefined],
  ['nor where a move found it elsewhere', moved('h1', 'h2'), [moved('h4', 'h3')], 'h3', undefined],
] as const)('a move is asked for the host %s', (_what, move, later, host, left) => {
  expect(placeLeft(move, later, at(host))).toBe(left)
})

test('connections in a zone are of the vNIC that had it last', () => {
  const places = new FormerPlaces()
  const device = {
    name: 'h1/br-int',
    ports: { byName: () => undefined },
    connections: { zoneCounts: () => new Map([[4096, 1]]) },
  } as unknown as Switch
  const note = (zones: object) => places.note([{ kind: 'zones', key: 'h1', value: JSON.stringify(zones) }])
  const of = (id: string) => places.remainsOf({ id } as Nic, device, new Set())
  note({ 'a:eth0': 4096 })
  note({})
  expect(of('a:eth0')).toEqual(['1 connections of a:eth0 at h1/br-int'])
  note({ 'b:eth0': 4096 })
  note({})
  expect(of('a:eth0')).toEqual([])
  expect(of('b:eth0')).toEqual(['1 connections of b:eth0 at h1/br-int'])
})
