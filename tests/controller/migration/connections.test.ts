// Connections through security groups go on where the guest goes, and would not without what is known of them.

import { afterEach, describe, expect, test, vi } from 'vitest'
import { StateTransfer } from '../../../controller/migration/state-transfer.ts'
import { State } from '../../../controller/state/state.ts'
import { Lab } from '../../../lab/lab.ts'
import { tcpFrame } from '../../../protocols/packet/compose.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import { MILLISECOND, sleep } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'
import { MemoryStore } from '../../support/memory-store.ts'

const nic = (serial: number, policy = {}) => ({
  name: 'eth0',
  network: 'blue',
  mac: `02:00:00:00:00:0${serial}`,
  addresses: [`10.0.0.${serial}`],
  policy,
})

/** `mover` may open connections, and nobody may open one to it. */
const topology = (type: 'vlan' | 'vxlan') =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'stateful',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 100, subnets: [{ cidr: '10.0.0.0/24' }] }],
      securityGroups: [{ name: 'out', rules: [{ direction: 'egress', ethertype: 'IPv4' }] }],
      vms: [
        { name: 'mover', host: 'h1', nics: [nic(1, { securityGroups: ['out'] })] },
        { name: 'peer', host: 'h2', nics: [nic(2)] },
      ],
    }),
    'stateful',
  )

const { Syn, Ack, Psh } = TcpFlag
const OUT = { ethSrc: MAC_1, ethDst: MAC_2, ipSrc: IP_1, ipDst: IP_2, srcPort: 40000, dstPort: 5432 }
const IN = { ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 5432, dstPort: 40000 }
const PACE = MILLISECOND / 2
const PIECES = 200
const SIZE = 100

/** A stream to the mover over a connection that it has opened, with an acknowledgement for each tenth piece. */
function stream(lab: Lab, clock: VirtualClock): number {
  const payload = new Uint8Array(SIZE)
  const say = [
    () => lab.inject('mover:eth0', tcpFrame({ ...OUT, flags: Syn, sequence: 99, window: 8000 }), 'test'),
    () =>
      lab.inject(
        'peer:eth0',
        tcpFrame({ ...IN, flags: Syn | Ack, sequence: 499, acknowledgement: 100, window: 8000 }),
        'test',
      ),
    () =>
      lab.inject(
        'mover:eth0',
        tcpFrame({ ...OUT, flags: Ack, sequence: 100, acknowledgement: 500, window: 8000 }),
        'test',
      ),
  ]
  for (let piece = 0; piece < PIECES; piece++) {
    const sequence = 500 + piece * SIZE
    const data = { ...IN, flags: Psh | Ack, sequence, acknowledgement: 100, window: 8000, payload }
    say.push(() => lab.inject('peer:eth0', tcpFrame(data), 'test'))
    const acknowledgement = sequence + SIZE
    if (piece % 10 === 9)
      say.push(() =>
        lab.inject(
          'mover:eth0',
          tcpFrame({ ...OUT, flags: Ack, sequence: 100, acknowledgement, window: 8000 }),
          'test',
        ),
      )
  }
  const start = clock.now()
  say.forEach((one, index) => clock.schedule(start + index * PACE, one))
  return say.length
}

async function outcome(
  type: 'vlan' | 'vxlan',
  disturb: (lab: Lab, clock: VirtualClock) => Promise<unknown>,
  state?: State,
) {
  const clock = new VirtualClock()
  const lab = await Lab.start(topology(type), { clock, seed: 1, ...(state && { state }) })
  const start = clock.now()
  const said = stream(lab, clock)
  await clock.run(start + 20 * MILLISECOND)
  await clock.runUntil(disturb(lab, clock))
  await clock.run(start + 2_000 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return { lab, said, frames: lab.judge.frames }
}

afterEach(() => vi.restoreAllMocks())

const whole = (said: number) => ({ injected: said, delivered: said, lost: 0, duplicated: 0, reordered: 0, dropped: {} })

describe.each(['vlan', 'vxlan'] as const)('a connection in a %s network', (type) => {
  test('survives a move, and another', async () => {
    const { said, frames, lab } = await outcome(type, async (one) => {
      await one.migrate('mover', 'h3', 10 * MILLISECOND)
      await one.migrate('mover', 'h1', 5 * MILLISECOND)
    })
    expect(frames).toMatchObject(whole(said))
    expect(lab.controller.migrations()).toMatchObject([
      { state: 'done', connections: 1, connectionsEnded: 1, leftBehind: [] },
      { state: 'done', connections: 1, connectionsEnded: 1, leftBehind: [] },
    ])
    const known = [...lab.network.switches()].map(([name, { switch: device }]) => [
      name,
      device.connections.dump().length,
    ])
    expect(known).toEqual([
      ['h1/br-int', 1],
      ['h2/br-int', 0],
      ['h3/br-int', 0],
    ])
  })

  test('does not where what is known of it stays behind', async () => {
    vi.spyOn(StateTransfer.prototype, 'takeOver').mockResolvedValue()
    const { said, frames } = await outcome(type, (lab) => lab.migrate('mover', 'h3', 10 * MILLISECOND))
    // Until the guest says something, by which it is known again.
    expect(frames.delivered).toBeLessThan(said)
    expect(frames.lost).toBeGreaterThan(10)
  })

  test.each([2, 6, 15])('survives a move that is undone %i ms in', async (span) => {
    const { said, frames, lab } = await outcome(type, async (one, clock) => {
      const { id } = one.controller.migrate({ vm: 'mover', to: 'h3', pause: 20 * MILLISECOND })
      await sleep(clock, span * MILLISECOND)
      await one.controller.abortMigration(id)
    })
    expect(lab.controller.migrations()).toMatchObject([{ state: 'aborted' }])
    expect(frames).toMatchObject(whole(said))
    expect(lab.network.switch('h3/br-int')!.connections.dump()).toEqual([])
  })
})

describe('a controller that dies while frames are held', () => {
  /** Dies `span` ms into the move and starts again 5 ms later. */
  const killed = async (span: number) => {
    const store = new MemoryStore()
    const open = (from: MemoryStore, clock: VirtualClock) =>
      State.open(from, { clock, log: () => {}, wallTime: () => 1.7e12 + clock.now() / 1e6 })
    const first = new VirtualClock()
    const state = await open(store, first)
    return outcome(
      'vlan',
      async (lab, clock) => {
        lab.controller.migrate({ vm: 'mover', to: 'h3', pause: 15 * MILLISECOND })
        await sleep(clock, Math.round(span * MILLISECOND))
        store.kill()
        lab.fail({ kind: 'controller' })
        lab.restartController(await open(new MemoryStore(store), clock))
        await sleep(clock, 5 * MILLISECOND)
        lab.heal({ kind: 'controller' })
        await lab.controller.resumed()
      },
      state,
    )
  }

  const spans = [0.3, 1.2, 2, 4, 10, 15, 15.2, 15.4, 15.6, 15.8, 16, 16.4]

  test.each(spans)('%f ms in loses none of them, nor the connection', async (span) => {
    const { said, frames, lab } = await killed(span)
    expect(['done', 'aborted']).toContain(lab.controller.migrations()[0]!.state)
    expect(frames).toMatchObject({ ...whole(said), dropped: expect.anything() })
  })
})
