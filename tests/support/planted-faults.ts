// Faults that are planted between controller, switches and store, each by somebody who stands there and does not do his part.

import { fileURLToPath } from 'node:url'
import { Controller, type ControllerOptions } from '../../controller/controller.ts'
import { drawSchedule } from '../../lab/explore/draw.ts'
import { profileOf } from '../../lab/explore/explore.ts'
import type { Invariant } from '../../lab/explore/invariants.ts'
import { runSchedule, type Interposed } from '../../lab/explore/run.ts'
import { Subject } from '../../lab/explore/subject.ts'
import type { Hypervisor } from '../../controller/model.ts'
import type { Envelope, MessageOf } from '../../protocols/control/messages.ts'
import type { Store } from '../../runtime/store.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { answeredAsker, movingListener } from './explored-scenarios.ts'
import { rejectedSpeakers } from './rejected-speakers.ts'
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

/** Flows that are to be other than they are go before they come again, and not in one bundle. */
const removesFirst: Change = ({ xid, message }) => {
  const inner = message.type === 'bundleAdd' ? message.message : undefined
  if (inner?.type !== 'flowMod' || inner.command !== 'add') return [{ xid, message }]
  return [
    { xid: 0, message: { ...inner, command: 'delete-strict' } },
    { xid, message },
  ]
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
  /** What it breaks; other things, too, under some schedules. */
  breaks: Invariant
  planted: Interposed
  scenario?: () => Scenario | Promise<Scenario>
}

/** Schedules show them that need to go one certain way. */
export const SUBTLE_FAULTS: Fault[] = [
  { what: 'no barrier is waited for', breaks: 'no-loss', planted: { interpose: tampering(hasty) } },
  {
    what: 'the source is let go of while frames are on their way to it',
    breaks: 'no-duplicate',
    planted: { makeController: (options) => new Controller({ ...options, drain: () => 0 }) },
  },
  { what: 'a port is open before its policy is there', breaks: 'whole-policy', planted: down(opensEarly) },
  {
    what: 'what a switch has is not read back',
    breaks: 'in-sync',
    planted: {
      interpose: tampering(() => ({ up: replacing('flowStatisticsReply', (one) => [{ ...one, flows: [] }]) })),
    },
  },
  { what: 'flows are removed before they are added', breaks: 'no-loss', planted: down(removesFirst) },
  {
    what: 'a host from which a move has gone back keeps its connections',
    breaks: 'nothing-left',
    planted: {
      interpose: (name, ends) =>
        name.startsWith('h3') ? tampering(() => ({ down: replacing('flushConnections', () => []) }))(name, ends) : ends,
    },
    scenario: () => answeredAsker('vlan'),
  },
  {
    what: 'the disk says too early that it has written',
    breaks: 'ended',
    planted: { interposeStore: liesAboutDurability },
  },
  {
    what: 'the guest is not started again where a move was aborted',
    breaks: 'in-sync',
    planted: { makeController: forgetful },
  },
]

const WEB_TIER = fileURLToPath(new URL('../../topologies/examples/stateful-web-tier.json', import.meta.url))

/** Any run shows them. */
export const OBVIOUS_FAULTS: Fault[] = [
  {
    what: 'held frames are delivered twice',
    breaks: 'no-duplicate',
    planted: down(replacing('deliverFrames', deliveredTwice)),
  },
  { what: 'held frames are not delivered', breaks: 'no-loss', planted: down(replacing('deliverFrames', () => [])) },
  {
    what: 'the fabric is not told of a move',
    breaks: 'no-loss',
    planted: down(replacing('packetOut', () => [])),
    // It knows the guest where it was.
    scenario: () =>
      movingListener({
        steps: [
          {
            at: MILLISECOND,
            step: {
              type: 'send',
              from: 'listener',
              frame: 'udp,dl_dst=02:00:00:00:00:03,tp_dst=7',
              count: 1,
              rate: 1000,
            },
          },
        ],
      }),
  },
  {
    what: 'nobody is told what groups have denied him',
    breaks: 'answered',
    planted: down(replacing('packetOut', () => [])),
    scenario: () => rejectedSpeakers('vxlan'),
  },
  {
    what: 'limits do not keep their level',
    breaks: 'within-limits',
    planted: down(replacing('installVnicState', () => [])),
    scenario: throttled,
  },
  {
    what: 'connections are forgotten',
    breaks: 'no-loss',
    planted: down(
      replacing('installVnicState', ({ connections: _forgotten, ...state }) => [{ ...state, connections: [] }]),
    ),
    scenario: () => loadScenarioOrTopology(WEB_TIER),
  },
]

/**
 * Whether the fault breaks what it is to break within so many schedules, and only the fault: without it nothing breaks under the same one.
 * @throws Error where the scenario breaks something without fault and schedule
 */
export async function isShown({ planted, breaks, scenario = movingListener }: Fault, seeds: number): Promise<boolean> {
  const subject = await Subject.read(await scenario())
  const sound = await profileOf(subject)
  if (sound.outcome.broken !== undefined) throw new Error(`without the fault: ${sound.outcome.broken.why}`)
  const { profile, outcome } = await profileOf(subject, planted)
  if (outcome.broken?.invariant === breaks) return true
  for (let seed = 1; seed <= seeds; seed++) {
    const schedule = drawSchedule(seed, profile)
    const found = await runSchedule(subject, schedule, planted)
    if (found.broken?.invariant !== breaks) continue
    if ((await runSchedule(subject, schedule)).broken === undefined) return true
  }
  return false
}
