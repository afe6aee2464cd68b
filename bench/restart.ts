// What a start of the controller costs: switches that connect, and with a state, that have everything already. All in one process,
// over channels in memory: the switches' share of the work is in the figures.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Controller } from '../controller/controller.ts'
import { openStateFile } from '../controller/state/open-state.ts'
import { parseFlow } from '../protocols/flow-text/parse.ts'
import { WallClock } from '../runtime/wall-clock.ts'
import { parseTopology } from '../topologies/load.ts'
import type { Topology } from '../topologies/topology.ts'
import type { Bench } from './bench.ts'
import { switchOf } from './live-switch.ts'
import { rowOf, secondsOf, type Row } from './measure.ts'

const HOSTS = 100
const FLOWS_A_HOST = 1000
const RUNS = 3

const CONNECT = `controller: connect of ${HOSTS} hosts x ${FLOWS_A_HOST} flows, to in sync`
const RESTART = `controller: restart with ${(HOSTS * FLOWS_A_HOST) / 1000} k flows on its switches, to in sync`
const LOAD = 'controller: restart, of that reading the state'
const WRITES = 'controller: durable flow writes, one after the other'
const CLIENTS = 64
const AT_ONCE = `controller: durable flow writes, ${CLIENTS} at once`

export const restartBenches: readonly Bench[] = [{ name: CONNECT, rows: rowsOf }]

async function rowsOf(): Promise<Row[]> {
  const figures: Record<string, number[]> = { [CONNECT]: [], [RESTART]: [], [LOAD]: [], [WRITES]: [], [AT_ONCE]: [] }
  for (let run = 0; run < RUNS; run++)
    for (const [name, figure] of Object.entries(await once())) figures[name]!.push(figure)
  const units = { [CONNECT]: 's', [RESTART]: 's', [LOAD]: 's', [WRITES]: 'writes/s', [AT_ONCE]: 'writes/s' }
  return Object.entries(units).map(([name, unit]) => rowOf(name, unit, figures[name]!))
}

/** Fills the switches, and starts again. */
async function once(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  const file = join(folder, 'state.db')
  const clock = new WallClock()
  const topology = hosts()
  const fleet = topology.hosts.map(({ name }) => switchOf(name, clock))
  const first = await openStateFile(file, { clock })
  const filling = new Controller({ clock, state: first })
  await filling.apply(topology)
  fleet.forEach((dial) => dial(filling))
  await filling.inSync()
  await filling.addFlows(topology.hosts.flatMap(({ name }) => flowsOf(name)))
  const writes = await writesOf(filling)
  const atOnce = await writesAtOnce(filling)
  // Empty switches that are to have all of it.
  const empty = topology.hosts.map(({ name }) => switchOf(name, clock))
  const connect = await secondsOf(async () => {
    empty.forEach((dial) => dial(filling))
    await filling.inSync()
  })
  filling.close()
  await first.close()
  let load = 0
  const restart = await secondsOf(async () => {
    let state: Awaited<ReturnType<typeof openStateFile>> | undefined
    load = await secondsOf(async () => {
      state = await openStateFile(file, { clock })
    })
    const controller = new Controller({ clock, state: state! })
    empty.forEach((dial) => dial(controller))
    await controller.inSync()
    controller.close()
    await state!.close()
  })
  clock.stop()
  rmSync(folder, { recursive: true })
  return { [CONNECT]: connect, [RESTART]: restart, [LOAD]: load, [WRITES]: writes, [AT_ONCE]: atOnce }
}

/** Whole writes a second: on the disk, told to the switch and confirmed by it, and answered. */
async function writesOf(controller: Controller): Promise<number> {
  const count = 200
  const seconds = await secondsOf(async () => {
    for (let port = 1; port <= count; port++) await controller.addFlows([userFlow('h1', port)])
  })
  return count / seconds
}

/** As `writesOf`, of many who each wait for their own: all on the same few switches. */
async function writesAtOnce(controller: Controller): Promise<number> {
  const each = 50
  const client = async (number: number): Promise<void> => {
    for (let index = 0; index < each; index++)
      await controller.addFlows([userFlow(`h${1 + (number % SWITCHES)}`, 1000 + number * each + index)])
  }
  const clients = () => Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  const seconds = await secondsOf(async () => void (await clients()))
  return (CLIENTS * each) / seconds
}

const SWITCHES = 8

const userFlow = (name: string, port: number) => ({
  switch: name,
  flow: parseFlow(`table=1,udp,tp_dst=${port},actions=drop`),
})

const hosts = (): Topology =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'hosts',
      hosts: Array.from({ length: HOSTS }, (_, index) => ({ name: `h${index + 1}`, vtep: `192.0.2.${index + 1}` })),
      networks: [],
      vms: [],
    }),
    'hosts',
  )

const flowsOf = (name: string) =>
  Array.from({ length: FLOWS_A_HOST }, (_, index) => ({
    switch: name,
    flow: parseFlow(`table=0,priority=100,tcp,nw_src=10.0.${index >> 8}.${index & 255},tp_dst=80,actions=drop`),
  }))
