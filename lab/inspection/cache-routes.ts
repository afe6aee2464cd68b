// `/switches/…/cache`: what the fast path of an emulated switch has been doing.

import { Type } from 'typebox'
import type { Api } from '../../controller/api/api.ts'
import { closed, count, SwitchParams } from '../../controller/api/schemas.ts'
import { NotFound } from '../../controller/model.ts'
import { costsOf, countsOf, ratio, stateOf } from '../../datapath/figures.ts'
import { VECTOR_SIZES } from '../../datapath/stage-times.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { Lab } from '../lab.ts'

const time = (description: string) => Type.Number({ minimum: 0, description })

const CacheReport = closed({
  passes: count('Frames looked up, each as often as it was read anew.'),
  recirculated: count('Of them, those read anew, as after ct or the end of a tunnel of labels.'),
  hits: closed({
    simple: count('By the port alone.'),
    exact: count('By the bytes of their headers (microflows).'),
    megaflow: count('By their flow key.'),
  }),
  misses: count('Taken to the pipeline.'),
  probesPerHit: time('Steps of the look-up for each megaflow that was found.'),
  probesInVain: count('Steps where none was found.'),
  revalidated: count('Megaflows asked for again because something they were made from might have changed.'),
  outdated: count('Megaflows given up because something they were made from has changed.'),
  evicted: count('Megaflows that gave way to others.'),
  megaflows: count('Kept, and not idle.'),
  mostMegaflows: count('That there have been at once.'),
  megaflowLimit: count('Kept at most.'),
  masks: count('Different masks of these, over all ways in.'),
  microflows: count('Kept.'),
  vectors: Type.Array(
    closed({
      upTo: Type.Union([count('Frames.'), Type.Null()], { description: 'Largest size; null for all that are larger.' }),
      vectors: count('So many came in at once.'),
    }),
  ),
  stages: closed(
    {
      frames: count('Frames that were timed.'),
      perFrame: time('All of it.'),
      lookupByBytes: time('Per frame.'),
      lookupByKey: time('Per frame.'),
      upcall: time('Per frame.'),
      rest: time('Actions and output, per frame.'),
      perLookupByKey: time('Each time.'),
      perUpcall: time('Each time.'),
    },
    { description: 'Real nanoseconds. One vector in 64 is timed; 0 where none was.' },
  ),
})

export function cacheRoutes(api: Api, lab: Lab): void {
  api.get(
    '/switches/:host/:bridge/cache',
    {
      schema: {
        tags: ['emulation'],
        summary: 'What the flow cache of a switch has been doing',
        params: SwitchParams,
        response: { 200: CacheReport },
      },
    },
    async ({ params: { host, bridge } }) => reportOf(switchNamed(lab, `${host}/${bridge}`)),
  )
}

function switchNamed({ network }: Lab, name: string): Switch {
  const found = network.switch(name)
  if (found === undefined) throw new NotFound('switch', name, [...network.switches().keys()])
  return found
}

function reportOf(device: Switch): Type.Static<typeof CacheReport> {
  const { passes, recirculated, only, microflow, megaflow, miss, probes, vainProbes, ...counts } = countsOf(device)
  const { revalidated, outdated, evicted, vectors, times } = counts
  const { frames, perFrame, recall, find, ask, rest, perFind, perAsk } = costsOf(times)
  return {
    passes,
    recirculated,
    hits: { simple: only, exact: microflow, megaflow },
    misses: miss,
    probesPerHit: ratio(probes, megaflow),
    probesInVain: vainProbes,
    revalidated,
    outdated,
    evicted,
    ...stateOf(device),
    vectors: VECTOR_SIZES.map((size, index) => ({
      upTo: size === Infinity ? null : size,
      vectors: vectors[index] ?? 0,
    })),
    stages: {
      frames,
      perFrame,
      lookupByBytes: recall,
      lookupByKey: find,
      upcall: ask,
      rest,
      perLookupByKey: perFind,
      perUpcall: perAsk,
    },
  }
}
