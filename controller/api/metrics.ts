// `/metrics`, for Prometheus: what the controller knows of its switches and of itself. Names are those that Faucet and its Gauge have, where
// they count the same. Nothing is counted here but the API's own requests: the rest is copied when it is asked for.

import { Counter, Gauge, Registry } from 'prom-client'
import { Type } from 'typebox'
import type { Controller } from '../controller.ts'
import type { SwitchStatus } from '../model.ts'
import type { SwitchCounts } from '../southbound/switch-counts.ts'
import type { Api } from './api.ts'

/** More of the same page, in Prometheus' text format. No name may be on it twice. */
export type MetricSource = () => Promise<string>

declare module 'fastify' {
  interface FastifyInstance {
    metricSources: MetricSource[]
  }
  interface FastifyContextConfig {
    /** A query is overlooked where the route has none, and not refused. */
    anyQuery?: true
  }
}

export function metricsRoute(api: Api, controller: Controller): void {
  const registry = new Registry()
  switchMetrics(registry, controller)
  controllerMetrics(registry, controller)
  countRequests(registry, api)
  api.decorate('metricSources', [() => registry.metrics()])
  api.get(
    '/metrics',
    {
      // Prometheus sends what its `params` say, whoever it asks.
      config: { anyQuery: true },
      schema: {
        tags: ['health'],
        summary: 'What has been counted, for Prometheus',
        response: {
          200: { description: 'Text format 0.0.4.', content: { 'text/plain': { schema: Type.String() } } },
        },
      },
    },
    async (_request, reply) => {
      const pages: string[] = []
      for (const source of api.metricSources) pages.push(await source())
      return reply.type(registry.contentType).send(pages.join('\n'))
    },
  )
}

const SWITCH_COUNTERS: readonly (readonly [name: string, help: string, counted: keyof SwitchCounts])[] = [
  ['of_dp_connections', 'Times that the switch has connected.', 'connections'],
  ['of_dp_disconnections', 'Times that its connection has ended.', 'disconnections'],
  ['of_flowmsgs_sent', 'Flow mods sent to the switch.', 'flowMessages'],
  ['of_packet_ins', 'Packet-ins that the switch has sent.', 'packetIns'],
  ['of_errors', 'What the switch has refused.', 'errors'],
]

const SWITCH_GAUGES: readonly (readonly [name: string, help: string, of: (one: SwitchStatus) => number])[] = [
  ['dp_status', 'Whether the switch is connected (1) or not (0).', ({ connected }) => Number(connected)],
  ['signalbox_switch_in_sync', 'Whether it has all it should have (1) or not (0).', ({ inSync }) => Number(inSync)],
  ['signalbox_switch_flows', 'Flows that it is meant to have, and has confirmed.', ({ flows }) => flows],
]

const SWITCH_LABELS = ['dp_id', 'dp_name'] as const

const labelsOf = ({ datapathId, name }: SwitchStatus) => ({
  dp_id: `0x${datapathId.toString(16)}`,
  dp_name: name,
})

function switchMetrics(registry: Registry, controller: Controller): void {
  for (const [name, help, counted] of SWITCH_COUNTERS)
    collected(registry, Counter, { name, help, labelNames: SWITCH_LABELS }, (note) => {
      for (const one of controller.switches()) note(labelsOf(one), controller.countsOf(one.name)[counted])
    })
  for (const [name, help, of] of SWITCH_GAUGES)
    collected(registry, Gauge, { name, help, labelNames: SWITCH_LABELS }, (note) => {
      for (const one of controller.switches()) note(labelsOf(one), of(one))
    })
  const port = {
    name: 'port_status',
    help: 'Whether the link of a port is up (1) or not (0).',
    labelNames: [...SWITCH_LABELS, 'port', 'port_description'],
  }
  collected(registry, Gauge, port, (note) => {
    for (const one of controller.switches())
      for (const { number, name, linkUp } of one.ports)
        note({ ...labelsOf(one), port: String(number), port_description: name }, Number(linkUp))
  })
}

function controllerMetrics(registry: Registry, controller: Controller): void {
  const learned = { name: 'learned_macs', help: 'Addresses that traffic has shown.', labelNames: ['network'] }
  collected(registry, Gauge, learned, (note) => {
    for (const { name } of controller.topology.networks) note({ network: name }, controller.learnedIn(name))
  })
  const migrations = { name: 'signalbox_migrations', help: 'Migrations by state.', labelNames: ['state'] }
  collected(registry, Gauge, migrations, (note) => {
    const byState = new Map<string, number>()
    for (const { state } of controller.migrations()) byState.set(state, (byState.get(state) ?? 0) + 1)
    for (const [state, count] of byState) note({ state }, count)
  })
  const wires = {
    name: 'signalbox_wire_up',
    help: 'Whether what a vNIC is joined to is there, where its VM runs (1) or not (0).',
    labelNames: ['port', 'host', 'wire'],
  }
  collected(registry, Gauge, wires, (note) => {
    const places = new Map(controller.topology.vms.flatMap(({ host, nics }) => nics.map(({ id }) => [id, host])))
    for (const { nic, host, wire } of controller.wires()) {
      const status = controller.hostProcess(host)?.wires.find(({ vnic }) => vnic === nic)
      if (places.get(nic) === host) note({ port: nic, host, wire }, Number(status?.connected ?? false))
    }
  })
  const memory = { name: 'process_resident_memory_bytes', help: 'Memory of the process.', labelNames: [] }
  collected(registry, Gauge, memory, (note) => note({}, process.memoryUsage.rss()))
  const time = { name: 'process_cpu_seconds_total', help: 'Processor time of the process.', labelNames: [] }
  collected(registry, Counter, time, (note) => {
    const { user, system } = process.cpuUsage()
    note({}, (user + system) / 1e6)
  })
}

function countRequests(registry: Registry, api: Api): void {
  const requests = new Counter({
    name: 'signalbox_api_requests_total',
    help: 'Requests to the API that have been answered.',
    labelNames: ['method', 'status'],
    registers: [registry],
  })
  api.addHook('onResponse', async ({ method }, { statusCode }) => requests.inc({ method, status: String(statusCode) }))
}

type Labels = Readonly<Record<string, string>>
type Note = (labels: Labels, value: number) => void

/** A metric that is made anew whenever it is asked for. */
function collected(
  registry: Registry,
  Kind: typeof Counter | typeof Gauge,
  { name, help, labelNames }: { name: string; help: string; labelNames: readonly string[] },
  fill: (note: Note) => void,
): void {
  const metric = new Kind({
    name,
    help,
    labelNames: [...labelNames],
    registers: [],
    collect() {
      this.reset()
      fill((labels, value) => this.inc(labels, value))
    },
  })
  registry.registerMetric(metric as Counter | Gauge)
}
