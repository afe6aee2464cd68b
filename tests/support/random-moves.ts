// Moves by chance, of one VM and of several at a time, and how they are carried out.

import { Conflict } from '../../controller/model.ts'
import type { Lab } from '../../lab/lab.ts'
import { sleep, type Nanoseconds } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Topology } from '../../topologies/topology.ts'
import { oneOf } from './frames.ts'

type Wish =
  | { kind: 'move'; vm: string; to: string }
  /** Each goes to where the other one is then. */
  | { kind: 'swap'; vms: readonly [string, string] }
  /** All that are there leave, and may come back afterwards. */
  | { kind: 'drain'; host: string }

export type Moves = Wish & {
  at: Nanoseconds
  /** For so long each of the guests stands still, at least. */
  pause: Nanoseconds
}

/** One to three of them, between two instants. */
export function randomMoves(
  random: Random,
  topology: Topology,
  { from, to, longestPause }: { from: Nanoseconds; to: Nanoseconds; longestPause: Nanoseconds },
): Moves[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    ...randomWish(random, topology),
    at: from + random.below(to - from),
    pause: random.below(longestPause),
  }))
}

function randomWish(random: Random, { vms, hosts }: Topology): Wish {
  const host = () => oneOf(random, hosts).name
  const vm = () => oneOf(random, vms).name
  switch (random.below(5)) {
    case 0:
      return { kind: 'swap', vms: [vm(), vm()] }
    case 1:
      return { kind: 'drain', host: host() }
    default:
      return { kind: 'move', vm: vm(), to: host() }
  }
}

/** Resolves with the number of VMs that have been moved. What the controller refuses is no move. */
export async function carryOut(lab: Lab, moves: Moves): Promise<number> {
  await sleep(lab.clock, moves.at)
  const { pause } = moves
  const where = (name: string) => lab.controller.topology.vms.find((vm) => vm.name === name)!.host
  switch (moves.kind) {
    case 'move':
      return migrate(lab, moves.vm, moves.to, pause)
    case 'swap': {
      const [one, other] = moves.vms
      const [here, there] = [where(one), where(other)]
      const done = await Promise.all([migrate(lab, one, there, pause), migrate(lab, other, here, pause)])
      return done[0] + done[1]
    }
    case 'drain':
      return unlessRefused(() => drain(lab, moves.host, pause))
  }
}

const migrate = (lab: Lab, vm: string, to: string, pause: Nanoseconds): Promise<number> =>
  unlessRefused(async () => {
    const { state, from } = await lab.migrate(vm, to, pause)
    return state === 'done' && from !== to ? 1 : 0
  })

async function drain({ controller: { relocations } }: Lab, host: string, pause: Nanoseconds): Promise<number> {
  const { id } = await relocations.drain(host, { pause })
  const { moves } = await relocations.done(id)
  await relocations.undrain(host)
  return moves.filter(({ state }) => state === 'done').length
}

async function unlessRefused(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (problem) {
    if (problem instanceof Conflict) return 0
    throw problem
  }
}
