// Guests that speak all the time, to everybody, and note what they should not have heard.

import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { arpRequest, udpFrame } from '../../protocols/packet/compose.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { parseWire } from '../../runtime/wires/parse.ts'
import type { Wire } from '../../runtime/wires/wire.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'

/** Milliseconds between two rounds of everybody to everybody. */
const PACE = 10
const PORT = 9

interface Guest {
  nic: Nic
  wires: Wire[]
}

export class Guests {
  /** A line for each frame that somebody of another network heard. */
  readonly leaks: string[] = []
  heard = 0
  readonly #guests: Guest[] = []
  #timer: NodeJS.Timeout | undefined

  /** A guest for each VM of `topology`, at all sockets where it may be: `socketOf` names that of a VM at a host. */
  static async open(topology: Topology, socketOf: (vm: string, host: string) => string): Promise<Guests> {
    const guests = new Guests()
    for (const { nics } of topology.vms)
      for (const nic of nics) {
        const received = (bytes: Uint8Array) => guests.#hear(nic, bytes)
        const wires = topology.hosts.map(({ name }) =>
          openWire(parseWire(`stream:unix:${socketOf(nic.vm, name)}`), received),
        )
        guests.#guests.push({ nic, wires: await Promise.all(wires) })
      }
    guests.#timer = setInterval(() => guests.#speak(), PACE)
    return guests
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#guests.flatMap(({ wires }) => wires.map((wire) => wire.close())))
  }

  /** To every other guest whatever its network, and to an address that nobody has. */
  #speak(): void {
    for (const { nic, wires } of this.#guests) {
      const others = this.#guests.filter((other) => other.nic !== nic)
      const frames = [question(nic), ...others.map((other) => datagram(nic, other.nic))]
      for (const wire of wires) if (wire.connected) for (const frame of frames) wire.send(frame)
    }
  }

  #hear(nic: Nic, bytes: Uint8Array): void {
    this.heard++
    const text = Buffer.from(bytes).toString('latin1')
    const from = this.#guests.find((guest) => text.includes(markOf(guest.nic)) && guest.nic.network !== nic.network)
    if (from !== undefined) this.leaks.push(`${nic.id} of ${nic.network} heard ${from.nic.id} of ${from.nic.network}`)
  }
}

/** Which no two networks have in common. */
const markOf = (nic: Nic): string => `<${nic.network}/${nic.id}>`

function datagram(from: Nic, to: Nic): Uint8Array {
  return udpFrame({
    ethSrc: parseMac(from.mac),
    ethDst: parseMac(to.mac),
    ipSrc: parseIpv4(from.addresses[0]!),
    ipDst: parseIpv4(to.addresses[0]!),
    srcPort: PORT,
    dstPort: PORT,
    payload: Buffer.from(markOf(from)),
  })
}

/** A question to all, with the mark in its padding. */
function question(from: Nic): Uint8Array {
  const ipSrc = parseIpv4(from.addresses[0]!)
  const request = arpRequest({ ethSrc: parseMac(from.mac), ipSrc, ipDst: ipSrc + 100 })
  return Buffer.concat([request, Buffer.from(markOf(from))])
}
