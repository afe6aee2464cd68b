import { describe, expect, test } from 'vitest'
import { Agenda } from '../../../datapath/emulator/agenda.ts'
import { EmulatedNetwork } from '../../../datapath/emulator/network.ts'
import { Trail } from '../../../datapath/emulator/trail.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import type { PortState } from '../../../protocols/control/messages.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { flowMod, portConfig } from '../../support/test-switch.ts'

const BASE = shapeTopology('single,2')
const [VM1, VM2] = BASE.vms.map(({ name }) => name) as [string, string]
const [NIC1, NIC2] = BASE.vms.map(({ nics }) => nics[0]!.id) as [string, string]

/** `BASE` with these VMs at these hosts, the others gone. */
const placed = (hosts: Record<string, string>): Topology => ({
  ...BASE,
  vms: BASE.vms.flatMap((vm) => (vm.name in hosts ? [{ ...vm, host: hosts[vm.name]! }] : [])),
})

/** Two hosts whose integration bridges let everything out of all other ports; every VM has a port at its host. */
function running() {
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const trail = new Trail(arena)
  const log: string[] = []
  const network = new EmulatedNetwork(
    BASE,
    { clock, arena, trail, random: seeded(1), agenda: new Agenda(clock) },
    {
      sent: (nic, frame) => log.push(`${arena.id[frame]} sent by ${nic}`),
      heard: (nic, frame) => log.push(`${arena.id[frame]} heard by ${nic}`),
      uplink: () => {},
      dropped: (frame, reason, place) => log.push(`${arena.id[frame]} ${reason} at ${place}`),
    },
  )
  const plug = (host: string, nic: string, state: PortState = 'open') =>
    network.switch(`${host}/br-int`)!.ports.add(portConfig({ name: nic, type: 'vnic', state }))
  for (const { switch: bridge } of network.switches().values())
    bridge.tables.applyBundle([flowMod(parseFlow('actions=all'))])
  for (const { host, nics } of BASE.vms) plug(host, nics[0]!.id)
  let lastId = 0
  return {
    network,
    plug,
    setState: (host: string, nic: string, state: PortState) =>
      network.switch(`${host}/br-int`)!.ports.setState(nic, state),
    say(nic: string) {
      const frame = arena.allocateFrom(
        udpFrame({ ethSrc: 2n, ethDst: 0xffffffffffffn, ipSrc: 1, ipDst: 9, srcPort: 1, dstPort: 9 }),
      )
      arena.id[frame] = ++lastId
      network.send(nic, frame)
    },
    /** What was seen since this was last asked. Frames that nobody holds have ended. */
    async seen() {
      await clock.run(clock.now() + 1e9)
      expect(arena.live).toBe(network.heldFrames().length)
      return log.splice(0)
    },
  }
}

describe('a guest that is gone', () => {
  test('says nothing: what it was to say is sent and dropped', async () => {
    const { network, say, seen } = running()
    network.update(placed({ [VM2]: 'h2' }))
    say(NIC1)
    expect(await seen()).toEqual([`1 sent by ${NIC1}`, `1 inactive_binding at ${NIC1}`])
  })

  test('takes along what it had still to hear and say', async () => {
    const { network, say, seen } = running()
    network.pause(VM1)
    say(NIC1)
    say(NIC2)
    expect(await seen()).toEqual([`2 sent by ${NIC2}`])
    network.update(placed({ [VM2]: 'h2' }))
    expect(await seen()).toEqual(['2 inactive_binding at h1', `1 sent by ${NIC1}`, '1 inactive_binding at h1'])
    expect(network.heldFrames()).toEqual([])
    network.resume(VM1, 'h1')
    expect(await seen()).toEqual([])
  })
})

describe('a guest whose host changes', () => {
  test('waits with its frames until it is resumed there', async () => {
    const { network, plug, say, seen } = running()
    expect(network.update(placed({ [VM1]: 'h2', [VM2]: 'h2' }))).toEqual({
      added: [],
      removed: [],
      moved: [{ vm: VM1, host: 'h2' }],
    })
    say(NIC1)
    say(NIC2)
    expect(await seen()).toEqual([`2 sent by ${NIC2}`])
    plug('h2', NIC1)
    network.resume(VM1, 'h2')
    expect(network.hostOf(VM1)).toBe('h2')
    expect(await seen()).toEqual([
      `2 heard by ${NIC1}`,
      `1 sent by ${NIC1}`,
      `1 heard by ${NIC2}`,
      `1 inactive_binding at h1`,
    ])
  })

  test('is given again where the change is taken back before it runs', () => {
    const { network } = running()
    network.update(placed({ [VM1]: 'h2', [VM2]: 'h2' }))
    expect(network.update(BASE).moved).toEqual([{ vm: VM1, host: 'h1' }])
    network.resume(VM1, 'h1')
    expect(network.update(BASE).moved).toEqual([])
  })

  test('stays where a migration took it while the topology asks for nothing else', () => {
    const { network } = running()
    network.pause(VM1)
    network.resume(VM1, 'h2')
    expect(network.update(BASE).moved).toEqual([])
    expect(network.update(placed({ [VM1]: 'h2', [VM2]: 'h1' })).moved).toEqual([{ vm: VM2, host: 'h1' }])
  })

  test('moves where its host is gone', () => {
    const { network } = running()
    network.pause(VM1)
    network.resume(VM1, 'h2')
    const alone = placed({ [VM1]: 'h1' })
    const { removed, moved } = network.update({
      ...alone,
      hosts: alone.hosts.filter(({ name }) => name === 'h1'),
      fabric: {
        ...alone.fabric,
        links: alone.fabric.links.filter(({ endpoints }) => !endpoints.includes('h2')),
      },
    })
    expect({ removed, moved }).toEqual({ removed: ['h2/br-int'], moved: [{ vm: VM1, host: 'h1' }] })
  })
})

describe('a host that fails', () => {
  test('loses what its ports hold, and nothing is left for later', async () => {
    const { network, setState, say, seen } = running()
    setState('h1', NIC1, 'hold')
    say(NIC2)
    expect(await seen()).toEqual([`1 sent by ${NIC2}`])
    network.failHost('h1')
    expect(await seen()).toEqual(['1 link_down at h1/br-int'])
    network.healHost('h1')
    setState('h1', NIC1, 'open')
    say(NIC2)
    expect(await seen()).toEqual([`2 sent by ${NIC2}`, `2 heard by ${NIC1}`])
  })

  test('loses what its paused guests had still to hear and say', async () => {
    const { network, say, seen } = running()
    network.pause(VM1)
    network.pause(VM2)
    say(NIC1)
    say(NIC2)
    network.failHost('h1')
    expect(await seen()).toEqual([`1 sent by ${NIC1}`, '1 link_down at h1'])
    network.resume(VM2, 'h2')
    expect(await seen()).toEqual([`2 sent by ${NIC2}`, '2 link_down at h1'])
  })
})
