// What a plan was made of, in a few characters. Whoever wants it carried out, and nothing else, shows them again.

import { createHash } from 'node:crypto'
import type { Topology } from '../topologies/topology.ts'
import { topologyToJson } from '../topologies/write.ts'
import { PlanOutdated } from './model.ts'
import { once } from '../runtime/once.ts'

/** What there is when a plan is made. */
export interface PlanBasis {
  /** VMs where they are now: as switches have been told, and as is wanted. */
  readonly running: readonly [told: Topology, wanted: Topology]
  /** As it was last asked for: where it and a new one agree, VMs stay where moves have brought them. */
  readonly asked: Topology | undefined
}

/** `BASIS.WANTED`, of 16 hexadecimal digits each. */
export const planTag = (basis: PlanBasis, wanted: Topology): string => `${digestOfBasis(basis)}.${digestOf(wanted)}`

/** @throws PlanOutdated where a plan of `tag` was made of something else than there is now, or is for another topology */
export function checkPlanTag(tag: string, basis: PlanBasis, wanted: Topology): void {
  const [made, of] = tag.split('.')
  if (of !== digestOf(wanted)) throw new PlanOutdated(`plan ${tag} was made for another topology than this one`)
  if (made !== digestOfBasis(basis))
    throw new PlanOutdated(`the topology that runs is not that of plan ${tag} any more; make a new plan`)
}

const digestOfBasis = ({ running, asked }: PlanBasis): string =>
  digest([...running, ...(asked === undefined ? [] : [asked])].map(digestOf).join(' '))

const digestOf = once((topology: Topology): string => digest(JSON.stringify(topologyToJson(topology))))

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
