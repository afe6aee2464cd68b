// What the API offers beside the controller's own routes where the network is an emulated one: guests that ping, links that
// fail and heal.

import { Type } from 'typebox'
import type { Api } from '../controller/api/api.ts'
import { WrongInput } from '../controller/api/errors.ts'
import { choice, closed, count, flag, optional, text } from '../controller/api/schemas.ts'
import { NotFound } from '../controller/model.ts'
import type { PingResult } from '../datapath/emulator/ping.ts'
import { InvalidField } from '../protocols/errors.ts'
import { SECOND } from '../runtime/clock.ts'
import { findNic } from '../topologies/lookup.ts'
import type { Nic, Topology } from '../topologies/topology.ts'
import { DURATION_EXPECTED, DURATION_PATTERN, parseDuration } from '../topologies/units.ts'
import { cacheRoutes } from './inspection/cache-routes.ts'
import { switchMetrics } from './inspection/metrics.ts'
import type { Lab } from './lab.ts'
import { expectedReach } from './reachability.ts'
import { traceRoutes } from './trace/routes.ts'

const MOST_PINGS = 1000
/** Pairs that ping at the same time. */
const PINGS_AT_ONCE = 256

const PingOrder = closed({
  from: text('vNIC that asks: web1:eth0, or web1 where the VM has one.'),
  to: text('vNIC that answers.'),
  count: optional(Type.Integer({ minimum: 1, maximum: MOST_PINGS, description: 'Requests. Default: 1.' })),
  interval: optional(
    Type.String({
      title: DURATION_EXPECTED,
      pattern: DURATION_PATTERN,
      description: 'Time between two requests. Default: 1s.',
    }),
  ),
})

const PingReport = closed({
  from: text('vNIC that asked.'),
  to: text('vNIC that was asked.'),
  sent: count('Requests.'),
  received: count('Answers.'),
  expected: choice(
    ['reachable', 'unreachable'],
    'What the topology says. Reachable: both are in one network, have addresses of one family, and their security groups let the ping through.',
  ),
  why: optional(text('Why answers are missing, as far as anybody knows.')),
})
export type PingReport = Type.Static<typeof PingReport>

const PingAllReport = closed({
  sent: count('Requests.'),
  received: count('Answers.'),
  pairs: Type.Array(PingReport, { description: 'Every vNIC to every one of another VM.' }),
})
export type PingAllReport = Type.Static<typeof PingAllReport>

const LinkOrder = closed({
  endpoints: Type.Array(Type.String(), { minItems: 2, maxItems: 2, description: 'Two hosts or fabric switches.' }),
})
const LinkReport = closed({ ...LinkOrder.properties, up: flag('Whether it carries frames.') })

export function liveRoutes(api: Api, lab: Lab): void {
  pingRoutes(api, lab)
  linkRoute(api, lab, 'down')
  linkRoute(api, lab, 'up')
  traceRoutes(api, lab)
  cacheRoutes(api, lab)
  api.metricSources.push(switchMetrics(lab))
}

function pingRoutes(api: Api, lab: Lab): void {
  api.post(
    '/ping',
    {
      config: { role: 'operator' },
      schema: { tags: ['emulation'], summary: 'A guest pings another', body: PingOrder, response: { 200: PingReport } },
    },
    async ({ body: { from, to, count: requests = 1, interval } }) => {
      const { topology } = lab.controller
      const span = interval === undefined ? SECOND : parseDuration(interval, 'interval')
      return ping(lab, nicAt('from', topology, from), nicAt('to', topology, to), requests, span)
    },
  )
  api.post(
    '/pingall',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['emulation'],
        summary: 'Every guest pings every other, once',
        response: { 200: PingAllReport },
      },
    },
    async (_request, reply) => pingAll(lab, () => reply.raw.destroyed),
  )
}

/** @throws WrongInput that points at the key under which the name was given */
function nicAt(key: 'from' | 'to', topology: Topology, name: string): Nic {
  try {
    return findNic(topology, name)
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error
    const detail = `${error.problem}; expected ${error.expected}`
    throw new WrongInput('No such vNIC', [{ detail, pointer: `/${key}` }])
  }
}

async function ping(lab: Lab, from: Nic, to: Nic, requests: number, interval: number): Promise<PingReport> {
  const result: PingResult = await lab.pinger.ping(from, to, { count: requests, interval })
  return { ...result, expected: expectedReach(lab.controller.topology, from, to) }
}

/** Goes on while somebody waits for the answer. */
async function pingAll(lab: Lab, nobodyWaits: () => boolean): Promise<PingAllReport> {
  const nics = lab.controller.topology.vms.flatMap((vm) => vm.nics)
  const wanted = nics.flatMap((from) => nics.filter((to) => to.vm !== from.vm).map((to) => [from, to] as const))
  const pairs: PingReport[] = []
  for (let at = 0; at < wanted.length && !nobodyWaits(); at += PINGS_AT_ONCE) {
    const batch = wanted.slice(at, at + PINGS_AT_ONCE)
    pairs.push(...(await Promise.all(batch.map(([from, to]) => ping(lab, from, to, 1, SECOND)))))
  }
  return { sent: sum(pairs, 'sent'), received: sum(pairs, 'received'), pairs }
}

const sum = (pairs: readonly PingReport[], key: 'sent' | 'received') => pairs.reduce((all, pair) => all + pair[key], 0)

function linkRoute(api: Api, lab: Lab, verb: 'down' | 'up'): void {
  const change = { down: 'fail', up: 'heal' } as const
  api.post(
    `/links/${verb}`,
    {
      schema: {
        tags: ['emulation'],
        summary: verb === 'down' ? 'Cut a link of the fabric' : 'Mend a link of the fabric',
        body: LinkOrder,
        response: { 200: LinkReport },
      },
    },
    async ({ body: { endpoints } }) => {
      const [a, b] = endpoints as [string, string]
      if (!lab[change[verb]]({ kind: 'link', endpoints: [a, b] })) throw noLink(lab, `${a}-${b}`)
      return { endpoints, up: verb === 'up' }
    },
  )
}

const noLink = (lab: Lab, name: string) =>
  new NotFound(
    'link',
    name,
    lab.controller.topology.fabric.links.map(({ endpoints }) => endpoints.join('-')),
  )
