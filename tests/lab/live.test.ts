import { expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { findNic } from '../../topologies/lookup.ts'
import type { Nic } from '../../topologies/topology.ts'
import { smallTopology } from '../support/live-lab.ts'

test('on the wall clock too, guests that talk while one of them moves hear everything once and in order', async () => {
  const topology = parseTopology(JSON.stringify(smallTopology()), 'small')
  const clock = new WallClock()
  const [web, db] = [findNic(topology, 'web1'), findNic(topology, 'db1')]
  const sent = { [web.id]: new Array<number>(), [db.id]: new Array<number>() }
  const heard = { [web.id]: new Array<number>(), [db.id]: new Array<number>() }
  const lab = await Lab.start(topology, {
    clock,
    seed: 1,
    observer: { sent: (_, nic, id) => sent[nic]!.push(id), heard: (_, nic, id) => heard[nic]?.push(id) },
  })
  const talk = () => {
    lab.inject(web.id, datagram(web, db), 'test')
    lab.inject(db.id, datagram(db, web), 'test')
  }
  const talking = setInterval(() => Array.from({ length: 10 }, talk), 1)
  for (const to of ['h2', 'h1', 'h2'])
    expect(await lab.migrate('web1', to, MILLISECOND)).toMatchObject({ state: 'done' })
  clearInterval(talking)
  while (lab.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  clock.stop()
  const heardFrom = (from: Nic, by: Nic) => heard[by.id]!.filter((id) => sent[from.id]!.includes(id))
  expect(sent[web.id]!.length).toBeGreaterThan(100)
  expect(heardFrom(web, db)).toEqual(sent[web.id])
  expect(heardFrom(db, web)).toEqual(sent[db.id])
  expect(lab.judge.leaks).toEqual([])
})

const datagram = (from: Nic, to: Nic) =>
  udpFrame({
    ethSrc: parseMac(from.mac),
    ethDst: parseMac(to.mac),
    ipSrc: parseIpv4(from.addresses[0]!),
    ipDst: parseIpv4(to.addresses[0]!),
    srcPort: 40000,
    dstPort: 9,
    payload: new Uint8Array(64),
  })
