// START HERE. A controller and three hosts as processes, of which one or another is killed (SIGKILL) in the middle of writes, again and again.
// What must hold: no write that was acknowledged is lost, none that was refused comes back, no frame is ever heard by another network,
// no migration is left half done, and soon after the last restart everything is in sync.
//
//   npm run test:chaos [-- --kills 200 --seed 1]

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../runtime/random.ts'
import { ChaosNetwork } from './network.ts'
import { chaosTopology } from './topology.ts'
import { Writer } from './writer.ts'

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const kills = Number(values.kills)
const random = seeded(Number(values.seed))

/** Milliseconds that a write has had at most when somebody is killed. */
const LONGEST_HEAD_START = 300

const folder = mkdtempSync(join(tmpdir(), 'signalbox-chaos-'))
const network = await ChaosNetwork.start(folder, {
  api: await freePort(),
  control: await freePort(),
  vxlan: await freePort(),
})
const writer = new Writer(network.api, random, chaosTopology(0))
const problems: string[] = []
const spans: number[] = []

for (let kill = 1; kill <= kills && problems.length === 0; kill++) {
  const victim = network.daemons[random.below(2) === 0 ? 0 : 1 + random.below(network.daemons.length - 1)]!
  const writes = writer.writeUntilLost()
  await sleep(random.below(LONGEST_HEAD_START))
  await victim.kill()
  writer.stop()
  await writes
  const startedAt = performance.now()
  victim.start()
  problems.push(...(await network.settled()))
  spans.push(performance.now() - startedAt); console.error(kill, victim.name, Math.round(spans.at(-1)!)); if (spans.at(-1)! > 4000) { await sleep(50); console.error(readFileSync(join(folder,'log'),'utf8').split('\n').slice(-25).join('\n')) }
  problems.push(...(await writer.compare()), ...network.guests.leaks)
  if (process.stdout.isTTY)
    process.stdout.write(`\r${kill} of ${kills} kills, ${writer.acknowledged} writes acknowledged`)
}

await network.stop()
for (const problem of problems.slice(0, 20)) console.log(problem)
if (problems.length === 0) rmSync(folder, { recursive: true })
else console.log(`what they said is in ${join(folder, 'log')}`)
spans.sort((a, b) => a - b)
const seconds = (share: number) => ((spans[Math.floor(share * (spans.length - 1))] ?? 0) / 1000).toFixed(1)
console.log(
  `chaos: ${spans.length} kills, ${writer.acknowledged} writes acknowledged, ${network.guests.heard} frames heard, ${network.guests.leaks.length} leaked; ` +
    `in sync after ${seconds(0.5)} s (median), ${seconds(1)} s (most): ${problems.length === 0 ? 'passed' : 'FAILED'}`,
)
process.exit(problems.length === 0 ? 0 : 1)

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
