// What is to be expected of a ping: what the topology says of two vNICs, by the judge's own law of security groups.

import { parseMac } from '../protocols/address.ts'
import { answerTo, echoPair, echoRequest } from '../datapath/emulator/echo.ts'
import type { Nic, Topology } from '../topologies/topology.ts'
import type { Direction } from './judge/groups/connections.ts'
import { Guard } from './judge/groups/guard.ts'
import { GroupRules } from './judge/groups/rules.ts'
import { overhear } from './judge/groups/talk.ts'
import { sharesNetwork } from './sharing.ts'

export type Reach = 'reachable' | 'unreachable'

const IDENTIFIER = 1
const SEQUENCE = 1

/** Reachable: both are in one network, have addresses of one family, and their security groups let an echo and its answer through. */
export function expectedReach(topology: Topology, from: Nic, to: Nic): Reach {
  const pair = sharesNetwork(from, to) ? echoPair(from, to) : undefined
  if (pair === undefined) return 'unreachable'
  if (!isFiltered(from) && !isFiltered(to)) return 'reachable'
  const request = echoRequest(pair, parseMac(to.mac), IDENTIFIER, SEQUENCE)
  const answer = answerTo(pair, request)!
  // The four passages of one ping, in their order: an answer is allowed for what was asked.
  const guard = new Guard(topology, rulesOf(topology))
  const reaches =
    passes(guard, from, 'egress', request) &&
    passes(guard, to, 'ingress', request) &&
    passes(guard, to, 'egress', answer) &&
    passes(guard, from, 'ingress', answer)
  return reaches ? 'reachable' : 'unreachable'
}

const known = new WeakMap<Topology, GroupRules>()

/** Worked out once for all that is asked of a topology. */
function rulesOf(topology: Topology): GroupRules {
  let rules = known.get(topology)
  if (rules === undefined) known.set(topology, (rules = new GroupRules(topology)))
  return rules
}

const isFiltered = ({ policy }: Nic) => policy.securityGroups !== undefined

function passes(guard: Guard, { id, network }: Nic, direction: Direction, frame: Uint8Array): boolean {
  const talk = overhear(frame)
  const passage = { nic: id, network: network!, direction, at: 0, talk, etherType: 0 }
  if (guard.opinion(passage) !== 'allowed') return false
  guard.passed(passage, true)
  return true
}
