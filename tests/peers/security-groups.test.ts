// The flows of random security groups, as bytes of OpenFlow, and the same frames for a real Open vSwitch and for ours: the same frames
// leave, also as rules and members change, and also where several filtered vNICs get a copy. To repeat one,
//
//   npx vitest run --project peers tests/peers/security-groups.test.ts -t '(seed 17)'
//
// Needs the Debian package openvswitch-switch; nobody need be root.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildView } from '../../controller/network/build-view.ts'
import { bareIntent } from '../../controller/network/intent.ts'
import type { View } from '../../controller/network/view.ts'
import { NO_ASSIGNMENTS } from '../../controller/network/view.ts'
import { compile } from '../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../controller/reconcile/diff.ts'
import type { SwitchState } from '../../controller/reconcile/switch-state.ts'
import { EMPTY_STATE } from '../../controller/reconcile/switch-state.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { seeded } from '../../runtime/random.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { Saying } from '../support/group-sayings.ts'
import {
  answerTo,
  BROADCAST,
  frameOf,
  GUESTS,
  oneHost,
  pick,
  randomSaying,
  withEvents,
} from '../support/group-sayings.ts'
import { withSecurityGroups } from '../support/random-security-groups.ts'
import { seeds } from '../support/seeds.ts'
import type { Answer, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

const SAYINGS = 120
const AT = 'h1/br-int'
/** Behind the uplink and the tunnel. */
const FIRST_PORT = 3
const PORTS = FIRST_PORT + GUESTS - 1
const portOf = (guest: number) => FIRST_PORT + guest - 1

const numbers = new Map(
  Array.from({ length: GUESTS }, (_, index) => [`vm${index + 1}:eth0`, portOf(index + 1)] as const),
)

const count = { frames: 0, heard: 0, flows: 0 }

describe.runIf(ovsInstalled())('security groups beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(PORTS)
  })
  afterAll(async () => {
    await sides?.stop()
    console.log(JSON.stringify(count))
  })

  test.each(seeds(20))('frames go where they go there (seed %i)', async (seed) => {
    const random = seeded(seed)
    await sides.reset()
    await sides.command('dpctl/ct-disable-tcp-seq-chk')
    const controller = new Compiling(sides)
    let topology = withSecurityGroups(random, oneHost())
    await controller.apply(topology)
    const past: Saying[] = []
    for (let turn = 0; turn < SAYINGS; turn++) {
      if (turn % 30 === 29) {
        topology = withEvents(random, topology)
        await controller.apply(topology)
      }
      const old = past.length > 0 && random.below(3) > 0 ? pick(random, past.slice(-12)) : undefined
      const said = old === undefined ? randomSaying(random) : random.below(2) === 0 ? answerTo(old) : old
      const frame = frameOf(said)
      if (random.below(4) === 0) frame.set(BROADCAST)
      const { ours, theirs } = await sides.receive(frame, portOf(said.from))
      expect({ turn, said, copies: ours.copies.sort() }).toEqual({ turn, said, copies: theirs.copies.sort() })
      count.frames++
      count.heard += theirs.copies.length
      past.push(said)
    }
  })
})

/** Gives both switches what a controller would. */
class Compiling {
  readonly #sides: OpenFlowSides
  #view: View | undefined
  #state: SwitchState = EMPTY_STATE

  constructor(sides: OpenFlowSides) {
    this.#sides = sides
  }

  async apply(topology: Topology): Promise<void> {
    const intent = bareIntent(topology)
    const kept = this.#view === undefined ? { ...NO_ASSIGNMENTS, portNumbers: new Map([[AT, numbers]]) } : undefined
    this.#view = buildView(intent, this.#view, kept)
    const now = compile(this.#view.switches.get(AT)!, this.#view)
    const messages = messagesOf(diff(this.#state, now)).filter(({ type }) => type !== 'portMod')
    const bytes = messages.flatMap((message, index) => encodeOpenFlow({ xid: 1000 + index, message }))
    expectNothing(await this.#sides.ask(bytes))
    count.flows += messages.length
    this.#state = now
  }
}

function expectNothing({ ours, theirs }: Sides<Answer>): void {
  expect(theirs.messages.map((one) => Buffer.from(one).toString('hex'))).toEqual([])
  expect(ours.messages).toEqual([])
}
