import { expect, test } from 'vitest'
import { Controller } from '../../controller/controller.ts'
import { Agent } from '../../datapath/control/agent.ts'
import { FrameArena } from '../../datapath/frames.ts'
import { Switch } from '../../datapath/switch.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { memoryChannelPair } from '../../runtime/transport.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { threeHosts } from '../support/controlled-fleet.ts'
import { FakeSwitch } from '../support/fake-switch.ts'

/** A switch to which any number of controllers may be connected. */
function switchOf(clock: VirtualClock) {
  const device: Switch = new Switch({
    name: 'h1/br-int',
    host: 'h1',
    datapathId: 1n,
    arena: new FrameArena(),
    clock,
    events: { transmit: () => {}, drop: () => {}, message: (message, by) => agent.publish(message, by) },
  })
  const agent = new Agent(device)
  const dial = (controller: Controller) => {
    const [near, far] = memoryChannelPair(clock, { latency: 1000, names: ['h1/br-int', 'controller'] })
    agent.connect(near)
    controller.accept(far)
  }
  return { device, agent, dial }
}

const onlyH1 = () => {
  const topology = threeHosts()
  return { ...topology, hosts: topology.hosts.slice(0, 1), vms: topology.vms.filter(({ host }) => host === 'h1') }
}

const userFlow = (port: number) => ({ switch: 'h1', flow: parseFlow(`table=0,udp,tp_dst=${port},actions=drop`) })

test('a controller of an earlier start is fenced off: what it does changes nothing, and it says so', async () => {
  const clock = new VirtualClock()
  const { device, dial } = switchOf(clock)
  const log: string[] = []
  const guests: string[] = []
  const hypervisor = {
    pause: async (vm: string) => void guests.push(`pause ${vm}`),
    resume: async (vm: string) => void guests.push(`resume ${vm}`),
  }
  const earlier = new Controller({ clock, generationId: 1n, hypervisor, log: (line) => void log.push(line) })
  dial(earlier)
  await clock.runUntil(earlier.apply(onlyH1()))
  await clock.runUntil(earlier.addFlows([userFlow(1)]))
  expect(earlier.superseded).toBeUndefined()

  const later = new Controller({ clock, generationId: 2n })
  dial(later)
  await clock.runUntil(later.apply(onlyH1()))
  const flows = device.tables.size
  await expect(clock.runUntil(earlier.addFlows([userFlow(2)]))).rejects.toThrow('follows another controller')
  await expect(clock.runUntil(earlier.apply({ ...onlyH1(), vms: [] }))).rejects.toThrow('follows another controller')
  expect(device.tables.size).toBe(flows)
  expect(log).toContain('h1/br-int follows another controller, of a later start; this one changes nothing any more')
  expect(() => earlier.migrate({ vm: 'a', to: 'h1' })).toThrow('follows another controller')
  expect(guests).toEqual([])
  await clock.runUntil(later.addFlows([userFlow(3)]))
  expect(device.tables.size).toBe(flows + 1)

  // One that starts with a generation of the past is told so when it asks.
  const stale = new Controller({ clock, generationId: 1n })
  dial(stale)
  await clock.runUntil(stale.apply({ ...onlyH1(), vms: [] })).catch(() => {})
  await clock.run(clock.now() + 1_000_000)
  expect(stale.superseded).toContain('of a later start')
  expect(device.tables.size).toBe(flows + 1)
})

test.each([2n, 0n])(
  'a switch that is being greeted as another takes over is let go of (its generation is %i)',
  async (generation) => {
    const clock = new VirtualClock()
    const controller = new Controller({ clock, generationId: 1n })
    const [h1, h2] = ['h1/br-int', 'h2/br-int'].map((name) => new FakeSwitch(name, clock)) as [FakeSwitch, FakeSwitch]
    h1.dial(controller)
    await clock.runUntil(controller.apply(threeHosts()))
    h2.generation = generation
    const heard: string[] = []
    h2.onReceived = ({ type }) => {
      heard.push(type)
      if (type === 'roleRequest')
        h1.say({ type: 'roleStatus', role: 'secondary', reason: 'primary_request', generationId: 2n })
    }
    h2.dial(controller)
    await clock.run(clock.now() + 1_000_000)
    expect(controller.superseded).toContain('h1/br-int follows another controller')
    expect(heard.at(-1)).toBe('roleRequest')
    expect([h1.connected, h2.connected]).toEqual([false, false])
  },
)
