import { InvalidArgumentError, type Command } from 'commander'
import type { PingAllReport, PingReport } from '../lab/live.ts'
import { askEmulation, clientCommand, print, type ClientFlags } from './client.ts'

const EXIT_UNEXPECTED = 1

export function pingCommand(): Command {
  return clientCommand('ping')
    .summary('let a guest of a running network ping another')
    .description('Sends ICMP echo requests from one vNIC to another. Exit code 1 where an answer is missing.')
    .argument('<from>', 'vNIC that asks: web1:eth0, or web1 where the VM has one')
    .argument('<to>', 'vNIC that answers')
    .option('--count <number>', 'requests', positive, 1)
    .option('--interval <time>', 'time between two requests', '1s')
    .action(async (from: string, to: string, flags: ClientFlags & { count: number; interval: string }) => {
      const { count, interval } = flags
      const body = { from, to, count, interval }
      const result = await askEmulation<PingReport>(flags, '/ping', body)
      print(flags, result, pingSentence(result))
      if (result.received < result.sent) process.exitCode = EXIT_UNEXPECTED
    })
}

function pingSentence({ from, to, sent, received, why }: PingReport): string {
  const lost = Math.round(((sent - received) / sent) * 100)
  return `${from} -> ${to}: ${sent} sent, ${received} received, ${lost}% lost${why === undefined ? '' : `: ${why}`}`
}

function positive(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1')
  return Number(text)
}

export function pingAllCommand(): Command {
  return clientCommand('pingall')
    .summary('let every guest ping every other, and print who reached whom')
    .description(
      'Every vNIC pings every other, once. Exit code 1 where two do not reach each other that should, being in one network and let by their security groups, or two do that should not.',
    )
    .action(async (flags: ClientFlags) => {
      const result = await askEmulation<PingAllReport>(flags, '/pingall')
      print(flags, result, matrix(result))
      const surprises = result.pairs.filter(isSurprise)
      if (surprises.length === 0) return
      process.exitCode = EXIT_UNEXPECTED
      if (!flags.quiet) process.stderr.write(surprises.map((pair) => `signalbox: ${surpriseSentence(pair)}\n`).join(''))
    })
}

const isSurprise = ({ sent, received, expected }: PingReport) => (received === sent) !== (expected === 'reachable')

function surpriseSentence({ from, to, expected, why }: PingReport): string {
  if (expected === 'unreachable') return `${from} reached ${to}, and the topology does not allow it`
  return `${from} did not reach ${to}${why === undefined ? '' : `: ${why}`}`
}

/** As Mininet prints it; X stands for an answer that did not come. */
function matrix({ sent, received, pairs }: PingAllReport): string {
  const shortName = namesOf(pairs)
  const rows = new Map<string, string[]>()
  for (const { from, to, ...pair } of pairs) {
    const row = rows.get(from) ?? []
    row.push(pair.received === pair.sent ? shortName(to) : 'X')
    rows.set(from, row)
  }
  const lines = [...rows].map(([from, row]) => `${shortName(from)} -> ${row.join(' ')}`)
  const dropped = sent === 0 ? 0 : Math.floor(((sent - received) / sent) * 100)
  return [
    '*** Ping: testing ping reachability',
    ...lines,
    `*** Results: ${dropped}% dropped (${received}/${sent} received)`,
  ].join('\n')
}

/** A VM's name stands for its vNIC where it has one. */
function namesOf(pairs: readonly PingReport[]): (id: string) => string {
  const vmOf = (id: string) => id.split(':')[0]!
  const ids = [...new Set(pairs.flatMap(({ from, to }) => [from, to]))]
  const nics = new Map<string, number>()
  for (const id of ids) nics.set(vmOf(id), (nics.get(vmOf(id)) ?? 0) + 1)
  return (id) => (nics.get(vmOf(id)) === 1 ? vmOf(id) : id)
}
