import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runHere } from '../support/run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-trace-'))
const flows = join(folder, 'flows.txt')
writeFileSync(flows, 'priority=7,tcp,tp_dst=80 actions=dec_ttl,output:2\n')

test('trace tells the way through the flows of a file', async () => {
  const { code, stdout } = await runHere('trace', '--flows', flows, 'in_port=1,tcp,tp_dst=80,nw_ttl=9')
  expect(code).toBe(0)
  expect(stdout).toContain(' 0. tcp,tp_dst=80, priority 7\n    dec_ttl\n    output:2\n')
  expect(stdout).toContain('Datapath actions: set(ipv4(ttl=8)),2')
})

test.each([
  [['trace', '--flows', flows, 'in_port=1,tpc'], 'tpc'],
  [['trace', 'no-such-file.json', 'icmp', '--at', 'web1'], 'no-such-file.json'],
  [['trace', '--flows', flows, 'in_port=1', '--ct-next', 'wet'], 'wet'],
])('trace says what is wrong: %j', async (words, named) => {
  const { code, stderr } = await runHere(...words)
  expect(code).toBe(2)
  expect(stderr).toContain(named)
})
