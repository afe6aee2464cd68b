import { afterEach, expect, test } from 'vitest'
import { applyChanges } from '../../../datapath/control/handlers/changes.ts'
import { Vswitchd } from '../../../datapath/vswitchd/vswitchd.ts'
import { parseFlowMod } from '../../../protocols/flow-text/parse.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'

const running: Vswitchd[] = []
afterEach(async () => {
  for (const daemon of running.splice(0)) await daemon.stop()
})

/** A switch with these flows from its files; what it has logged since, message by message. */
async function started(...flows: string[]) {
  const log: string[] = []
  const daemon = await Vswitchd.start({
    name: 'br0',
    datapathId: 1n,
    clock: new VirtualClock(),
    random: seeded(1),
    ports: [],
    controllers: [],
    listeners: [],
    snoopListeners: [],
    failMode: 'secure',
    prepare: (device) =>
      applyChanges(
        device,
        flows.map((flow) => parseFlowMod(flow)),
      ),
    log: (line) => void log.push(line),
    dial: () => Promise.reject(new Error('nobody is dialled')),
  })
  running.push(daemon)
  return {
    told: () => log.splice(0),
    change: (command: 'add' | 'modify' | 'delete', ...texts: string[]) => {
      const mods = texts.map((text) => ({ ...parseFlowMod(text), command }))
      applyChanges(daemon.device, mods)
      return log.splice(0)
    },
  }
}

test('whoever counts on an application gateway is warned, once for each message', async () => {
  const { told, change } = await started('priority=9,tcp,actions=ct(commit,alg=ftp),NORMAL')
  expect(told()).toEqual([expect.stringMatching(/^warning: .*: priority=9,tcp actions=ct\(commit,alg=ftp\),NORMAL$/)])
  const plain = 'priority=1,udp,actions=ct(commit),NORMAL'
  const helped = 'priority=1,udp,actions=clone(ct(commit,alg=tftp)),NORMAL'
  expect(change('add', plain)).toEqual([])
  expect(change('modify', helped)).toEqual([expect.stringContaining('alg=tftp')])
  expect(change('delete', 'udp,actions=')).toEqual([])
  const many = [2, 3, 4].map((priority) => `priority=${priority},tcp,actions=ct(commit,alg=ftp)`)
  expect(change('add', plain, ...many)).toEqual([expect.stringMatching(/priority=2,tcp .*, and 2 more$/)])
})
