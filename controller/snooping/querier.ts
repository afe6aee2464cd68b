// Asks who listens to what, in networks that are to have a querier (RFC 3376, RFC 3810), so that listeners are not forgotten where there is
// no multicast router. As in Open Virtual Network each host asks its own vNICs, all at the same time: none depends on another, and no
// query leaves a host. While somebody asks from a lower address (RFC 3376 §6.6.2, RFC 3810 §7.6.2), the network leaves that to him; from
// 0.0.0.0 it gives way to anybody (RFC 4541 §2.1.1).

import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import type { Action } from '../../protocols/control/messages.ts'
import { igmpFrame, mldFrame } from '../../protocols/packet/compose.ts'
import { secondsCode } from '../../protocols/packet/group-records.ts'
import { ipv4MulticastMac } from '../../protocols/packet/igmp.ts'
import { ipv6MulticastMac } from '../../protocols/packet/nd.ts'
import type { Nanoseconds, Timer } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import type { Querier as Settings } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import { resubmit, set } from '../apps/flow.ts'
import type { World } from '../learner.ts'
import type { NetworkView } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'

/** RFC 3376 §8.1: so many queries may get lost, but for one. */
const ROBUSTNESS = 2
/** From when on a network is asked: switches know of it by then. */
const BEGINNING = SECOND

type Family = 'ipv4' | 'ipv6'

interface Asking {
  readonly settings: Settings
  /** Queries of each host. */
  count: number
  askedAt: Nanoseconds
  timer: Timer
  /** Until when somebody else is the querier. */
  readonly silentUntil: Record<Family, Nanoseconds>
}

export class Querier {
  readonly #world: World
  /** By network. */
  readonly #asking = new Map<string, Asking>()
  #closed = false

  constructor(world: World) {
    this.#world = world
    this.topologyChanged()
  }

  /** Networks begin and cease to ask; one whose settings are others begins anew. */
  topologyChanged(): void {
    if (this.#closed) return
    const { networks } = this.#world.view().topology
    const wanted = new Map(
      networks.flatMap(({ name, igmpSnooping }) => (igmpSnooping?.querier ? [[name, igmpSnooping.querier]] : [])),
    )
    for (const [name, { settings, timer }] of this.#asking) {
      if (JSON.stringify(wanted.get(name)) === JSON.stringify(settings)) continue
      timer.cancel()
      this.#asking.delete(name)
    }
    for (const [name, settings] of wanted) if (!this.#asking.has(name)) this.#begin(name, settings)
  }

  /** Somebody else asks in the network, from this address. */
  heard(network: string, source: string): void {
    const asking = this.#asking.get(network)
    if (asking === undefined) return
    const family = source.includes(':') ? 'ipv6' : 'ipv4'
    if (!givesWay(asking.settings, family, source)) return
    const { interval, maxResponse } = asking.settings
    // Other querier present interval (RFC 3376 §8.5).
    asking.silentUntil[family] = this.#world.clock.now() + ROBUSTNESS * interval + maxResponse / 2
  }

  /** The addresses that the network itself asks from now, and when it last has. */
  statusOf(network: string): { source: string; askedAt: Nanoseconds }[] {
    const asking = this.#asking.get(network)
    if (asking === undefined || asking.count === 0) return []
    return this.#families(asking).map((family) => ({ source: asking.settings[family], askedAt: asking.askedAt }))
  }

  /** Whatever becomes of the topology, nobody is asked any more. */
  close(): void {
    this.#closed = true
    for (const { timer } of this.#asking.values()) timer.cancel()
    this.#asking.clear()
  }

  #begin(name: string, settings: Settings): void {
    const silentUntil = { ipv4: 0, ipv6: 0 }
    const timer = this.#askIn(BEGINNING, name)
    this.#asking.set(name, { settings, count: 0, askedAt: 0, timer, silentUntil })
  }

  #askIn(span: Nanoseconds, network: string): Timer {
    const { clock } = this.#world
    return clock.scheduleAsync(clock.now() + span, () => this.#ask(network))
  }

  /** At first more often (RFC 3376 §8.6, §8.7). */
  #ask(name: string): void {
    const asking = this.#asking.get(name)
    const network = this.#world.view().networks.get(name)
    if (asking === undefined) return
    const { interval } = asking.settings
    asking.count++
    asking.askedAt = this.#world.clock.now()
    asking.timer = this.#askIn(asking.count < ROBUSTNESS ? Math.floor(interval / 4) : interval, name)
    if (network === undefined) return
    for (const family of this.#families(asking)) this.#send(network, FRAMES[family](asking.settings))
  }

  #families({ silentUntil }: Asking): Family[] {
    const now = this.#world.clock.now()
    return (['ipv4', 'ipv6'] as const).filter((family) => silentUntil[family] <= now)
  }

  /** A host that is away asks its vNICs when the next query is due. */
  #send(network: NetworkView, frame: Uint8Array): void {
    const { fleet, log } = this.#world
    const actions = toVnicsHere(network)
    for (const host of network.hosts) {
      const name = switchName(host, host.bridges[0]!)
      if (!fleet.has(name) || !fleet.reconciler(name).connected) continue
      fleet
        .reconciler(name)
        .remote.packetOut(frame, actions)
        .catch((error: unknown) => log(`${name}: no query of '${network.network.name}': ${String(error)}`))
    }
  }
}

/** As what has come from outside. */
const toVnicsHere = ({ number, network: { type } }: NetworkView): Action[] => [
  set(Register.Network, number),
  set(Register.Origin, type === 'vxlan' ? Origin.Tunnel : Origin.Uplink),
  resubmit(Table.Flood),
]

function givesWay(settings: Settings, family: Family, source: string): boolean {
  const read = (text: string) => (family === 'ipv4' ? BigInt(parseIpv4(text)) : parseIpv6(text))
  const own = read(settings[family])
  return own === 0n || read(source) < own
}

const extensionOf = ({ version, interval }: Settings) =>
  version === 2
    ? {}
    : {
        extension: {
          suppress: false,
          robustness: ROBUSTNESS,
          intervalCode: secondsCode(Math.round(interval / SECOND)),
          sources: [],
        },
      }

const ALL_SYSTEMS = 0xe0000001
const ALL_NODES = (0xff02n << 112n) | 1n
const TENTH = SECOND / 10

/** General queries. Response times are as they are, up to 12.7 s (RFC 3376 §4.1.1) and 32 s (RFC 3810 §5.1.3). */
const FRAMES: Record<Family, (settings: Settings) => Uint8Array> = {
  ipv4: (settings) =>
    igmpFrame(
      {
        ethSrc: parseMac(settings.mac),
        ethDst: ipv4MulticastMac(ALL_SYSTEMS),
        ipSrc: parseIpv4(settings.ipv4),
        ipDst: ALL_SYSTEMS,
      },
      {
        type: 'query',
        group: 0,
        maxResponseCode: Math.round(settings.maxResponse / TENTH),
        ...extensionOf(settings),
      },
    ),
  ipv6: (settings) =>
    mldFrame(
      {
        ethSrc: parseMac(settings.mac),
        ethDst: ipv6MulticastMac(ALL_NODES),
        ipSrc: parseIpv6(settings.ipv6),
        ipDst: ALL_NODES,
      },
      {
        type: 'query',
        group: 0n,
        maxResponseCode: Math.round(settings.maxResponse / MILLISECOND),
        ...extensionOf(settings),
      },
    ),
}
