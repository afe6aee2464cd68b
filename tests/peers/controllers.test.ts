// Controllers that know nothing of us, with our switch before them: frames are learned, nothing is complained of, and nobody
// loses the connection. Need the Debian packages openvswitch-testcontroller and python3-os-ken.

import { describe, expect, test, type TestContext } from 'vitest'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { ForeignController, isInstalled } from './support/foreign-controller.ts'
import { RunningSwitch } from './support/switch-run.ts'

/** Longer than the silence after which the switch asks for an echo. */
const SILENCE = 6_000
const ROUNDS = 20

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const macOf = (host: number) => BigInt(host)
const frame = (from: number, to: number, round = 0) =>
  udpFrame({ ethSrc: macOf(from), ethDst: macOf(to), ipSrc: from, ipDst: to, srcPort: 1 + round, dstPort: 2 })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The switch, with `controller` dialled and answering. Both end with the test. */
async function controlled(controller: ForeignController, { onTestFinished }: TestContext): Promise<RunningSwitch> {
  onTestFinished(() => void controller.stop())
  const ours = await RunningSwitch.start({ ports: 3, words: ['--controller', `tcp:127.0.0.1:${controller.port}`] })
  onTestFinished(() => void ours.stop())
  await answering(ours)
  return ours
}

/** Until the controller has set up what it wants, what no flow takes goes nowhere. Host 3 is known after this. */
async function answering(ours: RunningSwitch): Promise<void> {
  const unknown = frame(3, 0xee)
  for (let attempt = 0; attempt < 60; attempt++) {
    await ours.send(3, unknown)
    if ((await ours.received(2)).length >= 2) break
  }
  await ours.drain()
}

async function exchange(ours: RunningSwitch, from: number, to: number, round: number): Promise<string[]> {
  await ours.send(from, frame(from, to, round))
  return (await ours.received(1)).sort()
}

/** Both may write anything but complaints; the switch found its controller once, and kept it. */
async function expectPeace(controller: ForeignController, ours: RunningSwitch): Promise<void> {
  const said = await ours.stop()
  const log = await controller.stop()
  const complaints = log.split('\n').filter((line) => /\b(err|error|warn|warning|traceback|emer)\b/i.test(line))
  expect(complaints.filter((line) => !line.includes('terminating with signal'))).toEqual([])
  expect(said.match(/: connected$/gm), said).toHaveLength(1)
  expect(said).not.toContain('connection lost')
}

const LEARNING: [string, string, () => Promise<ForeignController>][] = [
  ['ovs-testcontroller', 'ovs-testcontroller', () => ForeignController.ovs()],
  ['ovs-testcontroller --noflow', 'ovs-testcontroller', () => ForeignController.ovs(['--noflow'])],
  ['os-ken', 'osken-manager', () => ForeignController.osKen()],
]

// Each mostly waits, so all wait together.
describe.concurrent.each(LEARNING)('%s', (_name, command, start) => {
  test.runIf(isInstalled(command))('learns where hosts are', async (context) => {
    const controller = await start()
    const ours = await controlled(controller, context)
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [from, to] of [
        [1, 3],
        [3, 1],
        [2, 1],
        [1, 2],
      ] as const)
        expect(await exchange(ours, from, to, round), `${from} to ${to}`).toEqual([
          `${to}: ${hex(frame(from, to, round))}`,
        ])
    }
    await sleep(SILENCE)
    expect(await exchange(ours, 2, 3, 0)).toEqual([`3: ${hex(frame(2, 3))}`])
    await expectPeace(controller, ours)
  })
})

describe.concurrent.each([['--hub'], ['--normal']])('ovs-testcontroller %s', (option) => {
  test.runIf(isInstalled('ovs-testcontroller'))('lets everybody hear everything', async (context) => {
    const controller = await ForeignController.ovs([option])
    const ours = await controlled(controller, context)
    for (let round = 1; round <= ROUNDS; round++) {
      const bytes = frame(1, 3, round)
      await ours.send(1, bytes)
      expect((await ours.received(2)).sort()).toEqual([`2: ${hex(bytes)}`, `3: ${hex(bytes)}`])
    }
    await expectPeace(controller, ours)
  })
})
