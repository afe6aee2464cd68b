import { expect, test } from 'vitest'
import { conntrackCommands } from '../../../datapath/vswitchd/conntrack-commands.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { flowMod, testSwitch } from '../../support/test-switch.ts'

/** A switch that commits every connection to zone 7, and what it is asked. */
function tracking() {
  const made = testSwitch([{}])
  made.sw.tables.applyBundle([flowMod(parseFlow('ip,actions=ct(commit,zone=7)'))])
  const commands = conntrackCommands(made.sw)
  const ask = (method: string, ...words: string[]) => commands[`dpctl/${method}`]!.run(words)
  const meet = (source: number) =>
    made.receive(udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: source, ipDst: 9, srcPort: 5, dstPort: 6 }), 1)
  return { ask, meet }
}

// The layouts are those of ovs-appctl 3.1.
test('limits hold for their zone, and are told with what is in it', () => {
  const { ask, meet } = tracking()
  ask('ct-set-limits', 'default=10', 'zone=7,limit=2', 'zone=8,limit=1')
  for (let source = 1; source <= 5; source++) meet(source)
  expect(ask('ct-get-limits')).toBe('default limit=10\nzone=7,limit=2,count=2\nzone=8,limit=1,count=0\n')
  expect(ask('ct-get-limits', 'zone=8')).toBe('default limit=10\nzone=8,limit=1,count=0\n')
  ask('ct-del-limits', 'zone=7')
  for (let source = 1; source <= 20; source++) meet(source)
  expect(ask('ct-get-nconns')).toBe('10\n')
  expect(ask('dump-conntrack', 'zone=8')).toBe('')
  expect(ask('dump-conntrack', 'zone=7').split('\n').sort()[1]).toBe(
    'udp,orig=(src=0.0.0.1,dst=0.0.0.9,sport=5,dport=6),reply=(src=0.0.0.9,dst=0.0.0.1,sport=6,dport=5),zone=7',
  )
  ask('flush-conntrack', 'zone=7')
  expect(ask('ct-get-nconns')).toBe('0\n')
})

test('a limit of 0 is none, whatever the default is', () => {
  const { ask, meet } = tracking()
  ask('ct-set-limits', 'default=2', 'zone=7,limit=0')
  for (let source = 1; source <= 5; source++) meet(source)
  expect(ask('ct-get-limits')).toBe('default limit=2\nzone=7,limit=0,count=5\n')
  expect(ask('ct-get-limits', 'zone=9,7')).toBe('default limit=2\nzone=9,limit=2,count=0\nzone=7,limit=0,count=5\n')
})

test('there are no more connections than may be', () => {
  const { ask, meet } = tracking()
  ask('ct-set-maxconns', '3')
  expect(ask('ct-get-maxconns')).toBe('3\n')
  for (let source = 1; source <= 9; source++) meet(source)
  expect(ask('ct-get-nconns')).toBe('3\n')
})

test('TCP windows are looked at until somebody says otherwise', () => {
  const { ask } = tracking()
  expect(ask('ct-get-tcp-seq-chk')).toBe('TCP sequence checking: enabled\n')
  expect(ask('ct-disable-tcp-seq-chk')).toBe('disabling TCP sequence checking successful\n')
  expect(ask('ct-get-tcp-seq-chk')).toBe('TCP sequence checking: disabled\n')
})

test.each([
  ['ct-set-limits', ['zone=1,limit=5', 'bogus'], "'bogus' sets no limit; expected default=L or zone=N,limit=L"],
  ['ct-set-limits', ['zone=70000,limit=1'], "zone '70000'; expected 0 to 65535"],
  ['dump-conntrack', ['7'], "'7' selects no zone; expected zone=N"],
  ['ipf-set-min-frag', ['v5', '1'], "'v5'; expected v4 or v6"],
])('%s %j is refused, and changes nothing', (method, words, sentence) => {
  const { ask } = tracking()
  expect(() => ask(method, ...words)).toThrow(sentence)
  expect(ask('ct-get-limits')).toBe('default limit=0\n')
})
