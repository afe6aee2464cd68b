// Faults that are planted between controller, switches and store, each by somebody who stands there and does not do his part.

import { fileURLToPath } from 'node:url'
import { Controller, type ControllerOptions } from '../../controller/controller.ts'
import { drawSchedule } from '../../lab/explore/draw.ts'
import { profileOf } from '../../lab/explore/explore.ts'
import { runSchedule, type Interposed, type Outcome } from '../../lab/explore/run.ts'
import { Subject } from '../../lab/explore/subject.ts'
import type { Hypervisor } from '../../controller/model.ts'
import type { Envelope, MessageOf } from '../../protocols/control/messages.ts'
import type { Store } from '../../runtime/store.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { movingListener } from './explored-scenarios.ts'
import { type Change, tampering, type Tampering } from './tampering.ts'

/** Drops or replaces messages of one type. */
const replacing =
  <T extends Envelope['message']['type']>(type: T, by: (message: MessageOf<T>) => Envelope['message'][]): Change =>
  ({ xid, message }) =>
    message.type === type ? by(message as MessageOf<T>).map((one) => ({ xid, message: one })) : [{ xid, message }]

const down = (change: Change): Interposed => ({ interpose: tampering(() => ({ down: change })) })

/** Says that a bundle is in effect before the switch has it. */
function hasty(): Tampering {
  const answered = new Set<number>()
  return {
    down: (envelope, say) => {
      const { xid, message } = envelope
      if (message.type === 'bundleControl' && message.command === 'commit') {
        answered.add(xid)
        say({ xid, message: { ...message, type: 'bundleControlReply' } })
      }
      return [envelope]
    },
    up: (envelope) => (answered.delete(envelope.xid) ? [] : [envelope]),
  }
}

/** Opens a vNIC's port as soon as it is to be there. */
const opensEarly: Change = ({ xid, message }) => {
  const inner = message.type === 'bundleAdd' ? message.message : undefined
  if (inner?.type !== 'portMod' || inner.port.type !== 'vnic' || inner.command !== 'add') return [{ xid, message }]
  const open: Envelope = { xid: 0, message: { ...inner, port: { ...inner.port, state: 'open' } } }
  return [open, { xid, message: { ...message, message: { ...inner, command: 'modify' } } as Envelope['message'] }]
}

/** Says that a batch is durable before it is. */
const liesAboutDurability = (store: Store): Store => ({
  load: () => store.load(),
  write: async (batch) => void store.write(batch).catch(() => {}),
  journal: (query) => store.journal(query),
  underWay: () => store.underWay(),
  forget: (expendable, atMost) => store.forget(expendable, atMost),
  forgotten: () => store.forgotten(),
  backup: (file) => store.backup(file),
  close: () => store.close(),
})

/** The second time they look like frames that another switch has kept. */
const deliveredTwice = (one: MessageOf<'deliverFrames'>): Envelope['message'][] => [
  one,
  { ...one, frames: one.frames.map((frame) => ({ ...frame, origin: `${frame.origin} again` })) },
]

const throttled = () => movingListener({ policy: { egressRate: '100kbps', egressBurst: '10kb' } })

/** A guest is not started again where it was. */
function forgetful(options: ControllerOptions): Controller {
  const { hypervisor } = options
  if (hypervisor === undefined) return new Controller(options)
  const resume: Hypervisor['resume'] = async (vm, host, move) => {
    if (host !== 'h1') await hypervisor.resume(vm, host, move)
  }
  return new Controller({ ...options, hypervisor: { pause: (vm, move) => hypervisor.pause(vm, move), resume } })
}

export interface Fault {
  what: string
  planted: Interposed
  scenario?: () => Scenario | Promise<Scenario>
}

/** Schedules show them that need to go one certain way. */
export const SUBTLE_FAULTS: Fault[] = [
  { what: 'no barrier is waited for', planted: { interpose: tampering(hasty) } },
  {
    what: 'the source is let go of while frames are on their way to it',
    planted: { makeController: (options) => new Controller({ ...options, drain: () => 0 }) },
  },
  { what: 'a port is open before its policy is there', planted: down(opensEarly) },
  {
    what: 'what a switch has is not read back',
    planted: {
      interpose: tampering(() => ({ up: replacing('flowStatisticsReply', (one) => [{ ...one, flows: [] }]) })),
    },
  },
  { what: 'the disk says too early that it has written', planted: { interposeStore: liesAboutDurability } },
  { what: 'the guest is not started again where a move was aborted', planted: { makeController: forgetful } },
]

const WEB_TIER = fileURLToPath(new URL('../../topologies/examples/stateful-web-tier.json', import.meta.url))

/** Any run shows them. */
export const OBVIOUS_FAULTS: Fault[] = [
  { what: 'held frames are delivered twice', planted: down(replacing('deliverFrames', deliveredTwice)) },
  { what: 'held frames are not delivered', planted: down(replacing('deliverFrames', () => [])) },
  { what: 'the fabric is not told of a move', planted: down(replacing('packetOut', () => [])) },
  {
    what: 'limits do not keep their level',
    planted: down(replacing('installVnicState', () => [])),
    scenario: throttled,
  },
  {
    what: 'connections are forgotten',
    planted: down(
      replacing('installVnicState', ({ connections: _forgotten, ...state }) => [{ ...state, connections: [] }]),
    ),
    scenario: () => loadScenarioOrTopology(WEB_TIER),
  },
]

/** What comes of the first schedule that breaks something with the fault planted, and nothing without. */
export async function firstThatShows(
  scenario: Scenario,
  planted: Interposed,
  seeds: number,
): Promise<Outcome | undefined> {
  const subject = await Subject.read(scenario)
  const { profile, outcome } = await profileOf(subject, planted)
  if (outcome.broken !== undefined) return outcome
  for (let seed = 1; seed <= seeds; seed++) {
    const schedule = drawSchedule(seed, profile)
    const found = await runSchedule(subject, schedule, planted)
    if (found.broken !== undefined && (await runSchedule(subject, schedule)).broken === undefined) return found
  }
  return undefined
}
