// Hears of addresses that the topology does not know, and has every switch know them until they fall silent.

import type { Clock } from '../runtime/clock.ts'
import type { FlowSpec, MessageOf } from '../protocols/control/messages.ts'
import type { FieldName } from '../protocols/fields.ts'
import type { Match } from '../protocols/match.ts'
import { formatMac } from '../protocols/address.ts'
import type { ControllerEvent } from './model.ts'
import { attachmentsOf } from './network/attachments.ts'
import type { LearnedAddress, LearnedAddresses, Location } from './network/learned.ts'
import type { Intent } from './network/intent.ts'
import type { NetworkView, SwitchView, View } from './network/view.ts'
import { UPLINK_PORT } from './network/view.ts'
import type { Fleet } from './reconcile/fleet.ts'
import type { Writes } from './writes.ts'
import { appOfCookie, Register } from './tables.ts'

/** What the parts of the controller share. */
export interface World {
  readonly fleet: Fleet
  readonly clock: Clock
  /** What switches are to be. */
  view(): View
  /** All that is wanted, durable or not. */
  intent(): Intent
  /** The intent changes, and with it what every switch is to be once that is durable. */
  amend(change: Partial<Intent>): void
  /** Likewise; switches are to know of addresses at once. Nothing is sent yet. */
  learn(learned: LearnedAddresses): void
  /** A VM's move goes on, though it could not be made durable: switches are to be as it wants them. Nothing is sent yet. */
  tell(vm: string): void
  readonly writes: Writes
  readonly log: (line: string) => void
  emit(event: ControllerEvent): void
}

export class Learner {
  readonly #world: World
  /** News that the switches have not been told yet; undefined where there is none. */
  #news: LearnedAddresses | undefined
  #telling = false

  constructor(world: World) {
    this.#world = world
  }

  /** A frame from an address that its switch did not know. */
  heard(switchName: string, { cookie, match, inPort, frame }: MessageOf<'packetIn'>): void {
    if (appOfCookie(cookie) !== 'learning' || frame.length < SOURCE_END) return
    const at = this.#world.view().switches.get(switchName)
    const network = at && networkNumbered(this.#world.view(), at, match)
    if (at === undefined || network === undefined) return
    const mac = sourceOf(frame)
    const from = Number(valueOf(match, Register.From) ?? 0n)
    const location = locate(at, inPort, from >>> 16)
    if (location === undefined || isResident(network, mac)) return
    if (!this.#become(this.#known.learn(network.network.name, mac, location))) return
    const port = location.kind === 'vnic' ? location.nic : 'uplink'
    this.#world.emit({ type: 'learned', network: network.network.name, mac: formatMac(mac), host: at.host.name, port })
  }

  /** A flow that stood for a learned address has ended. */
  aged(switchName: string, { match }: FlowSpec): void {
    const at = this.#world.view().switches.get(switchName)
    const network = at && networkNumbered(this.#world.view(), at, match)
    const location = at && locate(at, Number(valueOf(match, 'in_port') ?? 0n), 0)
    const mac = valueOf(match, 'eth_src')
    if (network === undefined || location === undefined || mac === undefined) return
    const seenAt = location.kind === 'vnic' ? { nic: location.nic } : { switch: switchName }
    this.#become(this.#known.forget(network.network.name, mac, seenAt))
  }

  /** Flows that a switch has kept while nobody listened stand for addresses that it has heard of lately: they are known again. */
  recall(switchName: string, flows: Iterable<FlowSpec>): void {
    const view = this.#world.view()
    const at = view.switches.get(switchName)
    if (at === undefined) return
    let learned = this.#known
    for (const flow of flows) {
      const found = remembered(view, at, flow)
      if (found === undefined) continue
      const { network, mac, location } = found
      const before = learned.at(network, mac)
      if (before === undefined || (before.kind === 'outside' && location.kind === 'outside'))
        learned = learned.learn(network, mac, location)
    }
    if (learned === this.#known) return
    if (this.#news !== undefined) this.#news = learned
    else this.#world.learn(learned)
    this.#world.writes.saveLater()
  }

  get #known(): LearnedAddresses {
    return this.#news ?? this.#world.intent().learned
  }

  /** False where that is no news. */
  #become(learned: LearnedAddresses): boolean {
    if (learned === this.#known) return false
    this.#news = learned
    if (!this.#telling) void this.#tell()
    return true
  }

  /** Many addresses can be heard while the switches are being told of the first: they are told of together. */
  async #tell(): Promise<void> {
    this.#telling = true
    await Promise.resolve()
    while (this.#news !== undefined) {
      const learned = this.#news
      this.#news = undefined
      // What goes wrong with one piece of news must not keep the next from being told.
      try {
        this.#world.learn(learned)
        this.#world.writes.saveLater()
        await this.#world.fleet.push()
      } catch (error) {
        this.#world.log(String(error))
      }
    }
    this.#telling = false
  }
}

const SOURCE_START = 6
const SOURCE_END = 12

const sourceOf = (frame: Uint8Array): bigint =>
  frame.subarray(SOURCE_START, SOURCE_END).reduce((mac, octet) => (mac << 8n) | BigInt(octet), 0n)

const valueOf = (match: Match, field: FieldName): bigint | undefined =>
  match.find((part) => part.field === field)?.value

/** The address that a flow of app `learning` stands for. */
function remembered(view: View, at: SwitchView, { cookie, idleTimeout, match }: FlowSpec): LearnedAddress | undefined {
  if (appOfCookie(cookie) !== 'learning' || idleTimeout === 0) return undefined
  const network = networkNumbered(view, at, match)
  const mac = valueOf(match, 'eth_src')
  if (network === undefined || mac === undefined || isResident(network, mac)) return undefined
  const location = locate(at, Number(valueOf(match, 'in_port') ?? 0n), 0)
  const { name } = network.network
  if (location?.kind !== 'vnic') return location && { network: name, mac, location }
  const nic = at.bindings.find((binding) => binding.nic.id === location.nic)!.nic
  const attachment = attachmentsOf(nic).findIndex((one) => one.network === name)
  return attachment < 0 ? undefined : { network: name, mac, location: { ...location, attachment } }
}

/** That of a frame of this match. */
function networkNumbered({ networks }: View, at: SwitchView, match: Match): NetworkView | undefined {
  const number = Number(valueOf(match, Register.Network) ?? 0n)
  const here = [...at.networks.values()].find((network) => network.number === number)
  return here && networks.get(here.network.name)
}

/** Whether the topology knows the address. */
function isResident({ residents }: NetworkView, mac: bigint): boolean {
  for (const resident of residents.values()) if (resident.mac === mac) return true
  return false
}

function locate(at: SwitchView, port: number, attachment: number): Location | undefined {
  if (at.integration && port === UPLINK_PORT) return { kind: 'outside', switches: [at.name] }
  const binding = at.bindings.find(({ home, target }) =>
    [home, target].some((place) => place?.switch === at.name && place.port === port),
  )
  return binding && { kind: 'vnic', nic: binding.nic.id, attachment }
}
