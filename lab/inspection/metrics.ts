// What emulated switches have counted, beside the controller's own on `/metrics`. Names are those of the exporters people have dashboards
// for: ovs_dp_* as ovs_exporter has them, of_port_* as Faucet's Gauge does. Nothing is counted here: what the switches have counted is copied when asked for.

import { Counter, Gauge, Registry } from 'prom-client'
import type { MetricSource } from '../../controller/api/metrics.ts'
import type { FastPathCounts, FastPathState } from '../../datapath/figures.ts'
import { countsOf, stateOf } from '../../datapath/figures.ts'
import type { PortCounters } from '../../datapath/port-counters.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { QueueStatistics } from '../../protocols/control/messages.ts'
import type { Lab } from '../lab.ts'

interface Seen {
  device: Switch
  counts: FastPathCounts
  state: FastPathState
}

type Labels = Readonly<Record<string, string>>

interface Metric {
  name: string
  help: string
  labels?: readonly string[]
  /** What it is of a switch, once for each set of labels. */
  of: (seen: Seen) => (readonly [number, Labels?])[]
}

/** Each goes by the switch's name as `datapath`. */
const COUNTERS: readonly Metric[] = [
  {
    name: 'ovs_dp_lookups_hit_total',
    help: 'Frames whose answer was in the flow cache.',
    of: ({ counts }) => [[counts.passes - counts.miss]],
  },
  {
    name: 'ovs_dp_lookups_missed_total',
    help: 'Frames that were taken to the pipeline.',
    of: ({ counts }) => [[counts.miss]],
  },
  {
    name: 'ovs_dp_cache_hits_total',
    help: 'Frames by the cache that knew the answer: simple (by port alone), emc (by bytes), megaflow (by key).',
    labels: ['cache'],
    of: ({ counts }) => [
      [counts.only, { cache: 'simple' }],
      [counts.microflow, { cache: 'emc' }],
      [counts.megaflow, { cache: 'megaflow' }],
    ],
  },
  {
    name: 'ovs_dp_masks_hit_total',
    help: 'Steps of look-ups by key, each of which would be a mask asked in a tuple space.',
    of: ({ counts }) => [[counts.probes + counts.vainProbes]],
  },
  {
    name: 'ovs_dp_recirculations_total',
    help: 'Times that frames were read anew.',
    of: ({ counts }) => [[counts.recirculated]],
  },
  {
    name: 'ovs_dp_flows_removed_total',
    help: 'Megaflows that were given up: outdated by a change, evicted by others.',
    labels: ['reason'],
    of: ({ counts }) => [
      [counts.outdated, { reason: 'outdated' }],
      [counts.evicted, { reason: 'evicted' }],
    ],
  },
  {
    name: 'ovs_dp_timed_packets_total',
    help: 'Frames that were timed: those of one vector in 64.',
    of: ({ counts }) => [[counts.times.frames]],
  },
  {
    name: 'ovs_dp_stage_seconds_total',
    help: 'Real time that the timed frames took: all of it, and of it by stage.',
    labels: ['stage'],
    of: ({ counts: { times } }) => [
      [times.all / 1e9, { stage: 'all' }],
      [times.recall / 1e9, { stage: 'lookup_by_bytes' }],
      [times.find / 1e9, { stage: 'lookup_by_key' }],
      [times.ask / 1e9, { stage: 'upcall' }],
    ],
  },
  {
    name: 'ovs_datapath_drops_total',
    help: 'Copies of frames that ended here, by reason.',
    labels: ['reason'],
    of: ({ device }) => Object.entries(device.drops).map(([reason, drops]) => [drops, { reason }] as const),
  },
  {
    name: 'of_queue_tx_packets',
    help: 'Frames that left through a queue of a port.',
    labels: ['port', 'queue'],
    of: ({ device }) => queuesOf(device, ({ sentPackets }) => sentPackets),
  },
  {
    name: 'of_queue_tx_errors',
    help: 'Frames for which a queue of a port had no room.',
    labels: ['port', 'queue'],
    of: ({ device }) => queuesOf(device, ({ sentErrors }) => sentErrors),
  },
  portCounter('of_port_rx_packets', 'Frames received.', 'receivedPackets'),
  portCounter('of_port_tx_packets', 'Frames sent.', 'sentPackets'),
  portCounter('of_port_rx_bytes', 'Bytes received.', 'receivedBytes'),
  portCounter('of_port_tx_bytes', 'Bytes sent.', 'sentBytes'),
  portCounter('of_port_rx_dropped', 'Frames received and dropped.', 'receivedDropped'),
  portCounter('of_port_tx_dropped', 'Frames that could not be sent.', 'sentDropped'),
]

function queuesOf({ ports }: Switch, count: (queue: QueueStatistics) => bigint): (readonly [number, Labels])[] {
  return ports.queueStatistics().map((one) => {
    const port = ports.byNumber(one.port)?.name ?? String(one.port)
    return [Number(count(one)), { port, queue: String(one.queue) }] as const
  })
}

const GAUGES: readonly Metric[] = [
  {
    name: 'ovs_dp_flows',
    help: 'Megaflows that are not idle.',
    of: ({ state }) => [[state.megaflows]],
  },
  {
    name: 'ovs_dp_flow_limit',
    help: 'Megaflows that may be kept.',
    of: ({ state }) => [[state.megaflowLimit]],
  },
  {
    name: 'ovs_dp_masks_total',
    help: 'Masks of the megaflows, over all ways in.',
    of: ({ state }) => [[state.masks]],
  },
  {
    name: 'ovs_dp_microflows',
    help: 'Entries of the exact-match caches.',
    of: ({ state }) => [[state.microflows]],
  },
  {
    name: 'ovs_bridge_flow_count',
    help: 'OpenFlow flows, in all tables.',
    of: ({ device }) => [[device.tables.size]],
  },
  {
    name: 'ovs_bridge_learned_macs',
    help: 'Addresses that NORMAL has learned.',
    of: ({ device }) => [[device.macTable.entries(device.clock.now()).length]],
  },
]

const portLabels = ({ number, name }: { number: number; name: string }): Labels => ({
  port: String(number),
  port_name: name,
})

function portCounter(name: string, help: string, counter: keyof PortCounters): Metric {
  return {
    name,
    help,
    labels: ['port', 'port_name'],
    of: ({ device }) =>
      [...device.ports].map((port) => [Number(port.carried.total(port.counters)[counter]), portLabels(port)]),
  }
}

export function switchMetrics(lab: Lab): MetricSource {
  let seen: Seen[] = []
  const registry = registryOf(() => seen)
  return async () => {
    seen = look(lab)
    const text = await registry.metrics()
    seen = []
    return text
  }
}

/** Each switch, looked at once for all metrics. */
function look({ network }: Lab): Seen[] {
  return [...network.switches().values()].map(({ switch: device }) => ({
    device,
    counts: countsOf(device),
    state: stateOf(device),
  }))
}

function registryOf(seen: () => readonly Seen[]): Registry {
  const registry = new Registry()
  for (const metric of COUNTERS)
    registry.registerMetric(
      new Counter({
        ...configuration(metric),
        collect() {
          this.reset()
          eachOf(metric, seen(), (labels, value) => this.inc(labels, value))
        },
      }),
    )
  for (const metric of GAUGES)
    registry.registerMetric(
      new Gauge({
        ...configuration(metric),
        collect() {
          this.reset()
          eachOf(metric, seen(), (labels, value) => this.set(labels, value))
        },
      }),
    )
  return registry
}

const configuration = ({ name, help, labels = [] }: Metric) => ({
  name,
  help,
  labelNames: ['datapath', ...labels],
  registers: [],
})

function eachOf({ of }: Metric, seen: readonly Seen[], note: (labels: Labels, value: number) => void): void {
  for (const one of seen) for (const [value, labels] of of(one)) note({ datapath: one.device.name, ...labels }, value)
}
