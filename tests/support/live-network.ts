// A controller and hosts as `signalbox controller` and `signalbox host` run them, over real sockets of the loopback: tunnels between
// 127.0.2.1 and 127.0.2.2, uplinks by datagrams, and guests at Unix sockets.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Controller } from '../../controller/controller.ts'
import { LiveHost } from '../../datapath/host/live-host.ts'
import type { WireStatus } from '../../protocols/control/messages.ts'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { dial, listen, type Listener } from '../../runtime/sockets.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { parseWire } from '../../runtime/wires/parse.ts'
import type { Wire } from '../../runtime/wires/wire.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'

const LOCAL: Endpoint = { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 }

const vnic = (network: string, mac: number, address: string) => ({
  name: 'eth0',
  network,
  mac: `02:00:00:00:00:0${mac}`,
  addresses: [address],
})

/** VMs `a` and `b` of a VXLAN network, `c` and `d` of a VLAN: the first of each on h1, the second on h2. */
export const twoHosts = (): Topology =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'two-hosts',
      hosts: [
        { name: 'h1', vtep: '127.0.2.1' },
        { name: 'h2', vtep: '127.0.2.2' },
      ],
      networks: [
        { name: 'green', type: 'vxlan', segment: 5001, subnets: [{ cidr: '10.1.0.0/24' }] },
        { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.2.0.0/24' }] },
      ],
      vms: [
        { name: 'a', host: 'h1', nics: [vnic('green', 1, '10.1.0.1')] },
        { name: 'b', host: 'h2', nics: [vnic('green', 2, '10.1.0.2')] },
        { name: 'c', host: 'h1', nics: [vnic('blue', 3, '10.2.0.3')] },
        { name: 'd', host: 'h2', nics: [vnic('blue', 4, '10.2.0.4')] },
      ],
    }),
    'two-hosts',
  )

/** Who sits at the far end of a vNIC's wire. */
export class LiveGuest {
  readonly heard: Uint8Array[] = []
  #wire!: Wire

  /** At the Unix socket where the host listens for it, as soon as it does. */
  static async at(file: string): Promise<LiveGuest> {
    const guest = new LiveGuest()
    guest.#wire = await openWire(parseWire(`stream:unix:${file}`), (bytes) => guest.heard.push(bytes.slice()))
    return guest
  }

  send(frame: Uint8Array): void {
    this.#wire.send(frame)
  }

  close(): Promise<void> {
    return this.#wire.close()
  }
}

export class LiveNetwork {
  readonly clock = new WallClock()
  readonly topology: Topology
  /** Where VMs are at the start. */
  readonly guests = new Map<string, LiveGuest>()
  /** What hosts and controllers have said. */
  readonly log: string[] = []
  controller!: Controller
  /** Called when the guest of a VM that moves is to stop, and when it is to go on. */
  onGuest: (told: 'pause' | 'resume') => Promise<void> = async () => {}
  readonly #folder = mkdtempSync(join(tmpdir(), 'signalbox-live-'))
  readonly #hosts = new Map<string, LiveHost>()
  readonly #guests: LiveGuest[] = []
  readonly #ports: { vxlan: number; uplinks: [number, number] }
  #endpoint = LOCAL
  #listener: Listener | undefined

  private constructor(topology: Topology, ports: { vxlan: number; uplinks: [number, number] }) {
    this.topology = topology
    this.#ports = ports
  }

  /** A controller and h1 and h2, all in sync, and a guest at every vNIC. */
  static async start(topology = twoHosts()): Promise<LiveNetwork> {
    const network = new LiveNetwork(topology, {
      vxlan: await freePort(),
      uplinks: [await freePort(), await freePort()],
    })
    await network.startController(1n)
    for (const { name } of topology.hosts) await network.startHost(name)
    await network.settled()
    for (const { host, nics } of topology.vms)
      for (const { id } of nics) {
        network.guests.set(id, await network.join(id, host))
        await network.joined(id, host)
      }
    return network
  }

  /** One that knows what the one before knew. */
  async startController(generationId: bigint): Promise<void> {
    const { clock } = this
    const wires = (this.controller as Controller | undefined)?.wires() ?? []
    this.controller = new Controller({
      clock,
      generationId,
      probes: true,
      hypervisor: { pause: () => this.onGuest('pause'), resume: () => this.onGuest('resume') },
      log: (line) => this.log.push(line),
    })
    await this.controller.apply(this.topology)
    for (const { nic, wire, host } of wires) await this.controller.attach(nic, wire, host)
    const { controller } = this
    this.#listener = await listen(this.#endpoint, undefined, (channel) => controller.accept(channel))
    this.#endpoint = this.#listener.endpoint
  }

  async stopController(): Promise<void> {
    const closed = this.#listener?.close()
    this.controller.close()
    await closed
  }

  async startHost(name: string): Promise<void> {
    const { vxlan, uplinks } = this.#ports
    const [own, other] = name === 'h1' ? uplinks : uplinks.toReversed()
    const { port } = this.#endpoint as { port: number }
    this.#hosts.set(
      name,
      await LiveHost.start({
        name,
        clock: this.clock,
        controllers: [{ kind: 'tcp', passive: false, host: '127.0.0.1', port }],
        dial,
        vxlan: { port: vxlan },
        mtu: 1500,
        ...((name === 'h1' || name === 'h2') && { uplink: parseWire(`dgram:127.0.0.1:${own},127.0.0.1:${other}`) }),
        configured: () => {},
        log: (line) => this.log.push(`${name}: ${line}`),
      }),
    )
  }

  async stopHost(name: string): Promise<void> {
    await this.#hosts.get(name)?.stop()
    this.#hosts.delete(name)
  }

  /** Every switch has what it should. */
  settled(): Promise<void> {
    return until(() => {
      const switches = this.controller.switches()
      return switches.length > 0 && switches.every(({ connected, inSync }) => connected && inSync)
    })
  }

  /** Puts a guest at the vNIC, for when its VM is at `host`. */
  async join(id: string, host: string): Promise<LiveGuest> {
    const file = join(this.#folder, `${host}-${id.replace(':', '-')}`)
    await this.controller.attach(id, `stream:punix:${file}`, host)
    const guest = await LiveGuest.at(file)
    this.#guests.push(guest)
    return guest
  }

  /** Resolves once somebody is at the vNIC's wire. */
  joined(id: string, host: string): Promise<void> {
    return until(() => this.controller.hostProcess(host)?.wires.some(isUp(id)) === true)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#guests.map((guest) => guest.close()))
    await Promise.all([...this.#hosts.keys()].map((name) => this.stopHost(name)))
    await this.stopController()
    this.clock.stop()
    rmSync(this.#folder, { recursive: true })
  }
}

const isUp = (id: string) => (wire: WireStatus) => wire.vnic === id && wire.connected

/** Resolves once `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
