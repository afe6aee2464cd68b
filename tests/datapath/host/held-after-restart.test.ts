import { expect, test } from 'vitest'
import { LiveDatapath } from '../../../datapath/host/live-datapath.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { portConfig } from '../../support/test-switch.ts'

/** Numbers of the frames that a port keeps in a process that has just begun, its clock with it. */
async function numbersAfterStart(): Promise<number[]> {
  const live = new LiveDatapath({
    clock: new VirtualClock(),
    vxlan: { port: 4789 },
    mtu: 1500,
    wireOf: () => undefined,
    log: () => {},
  })
  await live.rebuild({ name: 'h1', bridges: [{ name: 'br-int', datapathId: 1n }] })
  const { ports, arena } = live.bridges.get('h1/br-int')!.switch
  const port = ports.add(portConfig({ name: 'web1:eth0', type: 'vnic', state: 'hold' }))
  for (const byte of [1, 2, 3]) expect(ports.hold(port, arena.allocateFrom(Buffer.alloc(60, byte)))).toBe(true)
  return port.held.kept().map(({ sequence }) => sequence)
}

test('what a restarted host keeps comes after all that it kept before, as a reader tells by its numbers', async () => {
  const numbers = [...(await numbersAfterStart()), ...(await numbersAfterStart())]
  expect(numbers.every((number, index) => Number.isSafeInteger(number) && number > (numbers[index - 1] ?? 0))).toBe(
    true,
  )
})
