// What a running switch is asked, by the names of ovs-appctl(8).

import { Command } from 'commander'
import type { TlsFlags } from './tls-options.ts'
import { tlsFilesOf, withTlsOptions } from './tls-options.ts'
import { askSwitch } from './unixctl-client.ts'

const TARGET = 'where it listens: tcp:HOST:PORT, ssl:HOST:PORT or unix:FILE'

export const questionCommands = (): Command[] => [
  question('show', 'its ports, and how many flows and groups it has').action((target: string, flags: TlsFlags) =>
    ask(target, flags, 'ofproto/show'),
  ),
  question('trace', 'what becomes of a frame, table by table')
    .argument(
      '<words...>',
      'FLOW, or FLOW FRAME: what is known beside a frame, in_port at least, and its hexadecimal digits',
    )
    .option('--ct-next <state>', 'what the connection tracker says, as trk,est; what it knows where absent', collect)
    .addHelpText('after', TRACE_EXAMPLES)
    .action((target: string, words: string[], flags: TlsFlags & { ctNext?: string[] }) =>
      ask(target, flags, 'ofproto/trace', [...(flags.ctNext ?? []).flatMap((state) => ['--ct-next', state]), ...words]),
    ),
  question('fdb', 'which address it learned behind which port').action((target: string, flags: TlsFlags) =>
    ask(target, flags, 'fdb/show'),
  ),
  question('dump-conntrack', 'the connections that it tracks')
    .argument('[zone]', 'those of one zone, as 5 or zone=5; of all where absent')
    .action((target: string, zone: string | undefined, flags: TlsFlags) =>
      ask(
        target,
        flags,
        'dpctl/dump-conntrack',
        zone === undefined ? [] : [/^\d+$/.test(zone) ? `zone=${zone}` : zone],
      ),
    ),
  question('dpctl-dump-flows', 'what it remembers of its answers (megaflows)')
    .option('-m, --more', 'for those who are used to it: nothing is left out anyway')
    .action((target: string, flags: TlsFlags) => ask(target, flags, 'dpctl/dump-flows')),
  question('dpctl-show', 'its look-ups and its cache')
    .option('-s, --statistics', 'and the counters of its ports')
    .action((target: string, flags: TlsFlags & { statistics?: true }) =>
      ask(target, flags, 'dpctl/show', flags.statistics ? ['-s'] : []),
    ),
  question('perf', 'how fast it is: hits of each cache, time per stage, frames that come at once')
    .option('--no-histograms', 'without the sizes of vectors')
    .action((target: string, flags: TlsFlags & { histograms: boolean }) =>
      ask(target, flags, 'dpif-netdev/pmd-perf-show', flags.histograms ? [] : ['-nh']),
    ),
  question('stats', 'how often each of its caches has known the answer')
    .option('--clear', 'count from now on, here and for perf')
    .action((target: string, flags: TlsFlags & { clear?: true }) =>
      ask(target, flags, `dpif-netdev/pmd-stats-${flags.clear ? 'clear' : 'show'}`),
    ),
]

const TRACE_EXAMPLES = `
Examples:
  signalbox switch trace tcp:127.0.0.1:6653 in_port=1,tcp,nw_dst=10.0.0.2,tp_dst=80
  signalbox switch trace tcp:127.0.0.1:6653 in_port=1,tcp --ct-next trk,est
  signalbox switch trace tcp:127.0.0.1:6653 in_port=1 ffffffffffff0200000000010800...`

const collect = (text: string, before: string[] = []): string[] => [...before, text]

const question = (verb: string, summary: string): Command =>
  withTlsOptions(
    new Command(verb)
      .summary(summary)
      .description(`Asks a running switch for ${summary}.`)
      .argument('<target>', TARGET),
    'ssl',
  )

const asked = (target: string, flags: TlsFlags, method: string, words: readonly string[] = []): Promise<string> =>
  askSwitch({ target, method, words, tls: tlsFilesOf(flags) })

async function ask(...words: Parameters<typeof asked>): Promise<void> {
  process.stdout.write(await asked(...words))
}
