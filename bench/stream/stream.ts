// What guests notice of a controller that is killed and starts again: the same stream with and without that, in one run, at a real
// switch with 100,000 flows. Everything in processes of its own, over real sockets.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Conditions } from '../bench.ts'
import { rowOf, type Row } from '../measure.ts'
import { StreamSite, type Joint } from './site.ts'
import type { Window } from './traffic.ts'

const FLOWS = 100_000
const RUNS = 3
/** Seconds of a window; a restart and all that comes of it fits in. */
const SPAN = 10
/** Seconds until compilers have done their work. */
const WARM_UP = 4

/** A stream socket carries what is asked for; datagrams are what Node takes one by one. */
const STREAMS: readonly { joint: Joint; rate: number }[] = [
  { joint: 'stream', rate: 100_000 },
  { joint: 'dgram', rate: 20_000 },
]

export const streamBenches: readonly Bench[] = STREAMS.map(({ joint, rate }) => {
  const name = `restart under a stream: ${rate / 1000} k frames/s over ${joint} wires, ${FLOWS / 1000} k flows`
  return { name, rows: (conditions) => rowsOf(name, joint, rate, conditions) }
})

interface Figures {
  calm: Window[]
  restarted: Window[]
  ready: number[]
  inSync: number[]
  sent: number[]
}

async function rowsOf(name: string, joint: Joint, rate: number, { signal }: Conditions): Promise<Row[]> {
  const figures: Figures = { calm: [], restarted: [], ready: [], inSync: [], sent: [] }
  const site = await StreamSite.start(joint, rate, FLOWS)
  try {
    await sleep(WARM_UP * 1000, undefined, { signal })
    await site.window()
    for (let run = 0; run < RUNS; run++) await measureBoth(site, figures, signal)
  } finally {
    await site.stop()
  }
  const of = (windows: readonly Window[], what: keyof Window) => windows.map((window) => window[what])
  return [
    rowOf(`${name}: sent, without`, 'frames', of(figures.calm, 'sent')),
    rowOf('… lost', 'frames', of(figures.calm, 'lost')),
    rowOf('… longest silence', 'ms', of(figures.calm, 'longestSilence')),
    rowOf(`${name}: sent, with`, 'frames', of(figures.restarted, 'sent')),
    rowOf('… lost', 'frames', of(figures.restarted, 'lost')),
    rowOf('… longest silence', 'ms', of(figures.restarted, 'longestSilence')),
    rowOf('… until the controller answers', 's', figures.ready),
    rowOf('… until all is in sync', 's', figures.inSync),
    rowOf('… flow mods that it has sent by then', 'messages', figures.sent),
  ]
}

async function measureBoth(site: StreamSite, figures: Figures, signal: AbortSignal): Promise<void> {
  await sleep(SPAN * 1000, undefined, { signal })
  figures.calm.push(await site.window())
  const enough = sleep(SPAN * 1000, undefined, { signal })
  const { ready, inSync } = await site.restart()
  figures.sent.push(await site.flowMessages())
  await enough
  figures.restarted.push(await site.window())
  figures.ready.push(ready)
  figures.inSync.push(inSync)
}
