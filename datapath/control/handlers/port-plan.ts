import type { MessageOf, PortConfig } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import type { PortTable } from '../../ports.ts'
import { VXLAN_PORT } from '../../../protocols/packet/vxlan.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { checkPortConfig } from './port-config.ts'

type PortMod = MessageOf<'portMod'>

const HIGHEST_NUMBER = 0xfeff

/**
 * Changes of ports that are to be made together. Each is held against the ports as those before it will have left them;
 * `carryOut` then can not fail half-way.
 */
export class PortPlan {
  readonly #ports: PortTable
  readonly #mods: PortMod[] = []
  /** Ports as they will be, of those that change; undefined for one that will be gone. */
  readonly #byName = new Map<string, PortConfig | undefined>()
  /** By number, whose it will be; undefined for one given back. */
  readonly #nameByNumber = new Map<number, string | undefined>()

  constructor(ports: PortTable) {
    this.#ports = ports
  }

  /** @throws Refused */
  add(mod: PortMod): void {
    switch (mod.command) {
      case 'add':
        return this.#create(mod)
      case 'modify':
        return this.#modify(mod)
      case 'delete':
        return this.#delete(mod)
    }
  }

  /** In the order in which they were asked for. */
  carryOut(): void {
    for (const { command, port } of this.#mods) {
      if (command === 'add') this.#ports.add(port)
      else if (command === 'modify') this.#ports.modify(port)
      else this.#ports.remove(port.name)
    }
  }

  #create(mod: PortMod): void {
    const { port } = mod
    checkPortConfig(port)
    if (this.#named(port.name)) throw new Refused('port_exists', 'port.name', `there is a port '${port.name}'`)
    const number = port.number === 0 ? this.#freeNumber(port) : port.number
    this.#checkNumber(number, port)
    this.#take(mod, { ...port, number })
  }

  #modify(mod: PortMod): void {
    const { port } = mod
    checkPortConfig(port)
    const { number, type } = this.#existing(port.name)
    if (port.number !== 0 && port.number !== number)
      throw new Refused('OFPBRC_BAD_PORT', 'port.number', `port '${port.name}' is number ${number}, not ${port.number}`)
    if (port.type !== type)
      throw new Refused('OFPBRC_BAD_PORT', 'port.type', `port '${port.name}' is of type ${type}; delete it first`)
    this.#take(mod, { ...port, number })
  }

  #delete(mod: PortMod): void {
    const { number, name } = this.#existing(mod.port.name)
    if (mod.port.number !== 0 && mod.port.number !== number)
      throw new Refused('OFPBRC_BAD_PORT', 'port.number', `port '${name}' is number ${number}, not ${mod.port.number}`)
    this.#byName.set(name, undefined)
    this.#nameByNumber.set(number, undefined)
    this.#mods.push(mod)
  }

  #take(mod: PortMod, port: PortConfig): void {
    this.#checkTunnel(port)
    this.#byName.set(port.name, port)
    this.#nameByNumber.set(port.number, port.name)
    this.#mods.push({ ...mod, port })
  }

  #named(name: string): PortConfig | undefined {
    return this.#byName.has(name) ? this.#byName.get(name) : this.#ports.byName(name)?.config
  }

  #existing(name: string): PortConfig {
    const port = this.#named(name)
    if (port === undefined) throw new Refused('OFPBRC_BAD_PORT', 'port.name', `there is no port '${name}'`)
    return port
  }

  #numbered(number: number): string | undefined {
    return this.#nameByNumber.has(number) ? this.#nameByNumber.get(number) : this.#ports.byNumber(number)?.name
  }

  #checkNumber(number: number, { type }: PortConfig): void {
    const isLocal = type === 'local' && number === ReservedPort.Local
    if (!isLocal && (number < 1 || number > HIGHEST_NUMBER))
      throw new Refused(
        'OFPBRC_BAD_PORT',
        'port.number',
        `${number} is no port number; expected 1 to ${HIGHEST_NUMBER}`,
      )
    const owner = this.#numbered(number)
    if (owner !== undefined) throw new Refused('port_exists', 'port.number', `number ${number} is port '${owner}'`)
  }

  /** The one after the highest; where that is the last, the lowest free one. */
  #freeNumber({ type }: PortConfig): number {
    if (type === 'local') return ReservedPort.Local
    const taken = new Set([...this.#ports].map((port) => port.number).filter((number) => number <= HIGHEST_NUMBER))
    for (const number of this.#nameByNumber.keys()) taken.add(number)
    const next = Math.max(0, ...taken) + 1
    if (next <= HIGHEST_NUMBER) return next
    for (let number = 1; number <= HIGHEST_NUMBER; number++) if (!taken.has(number)) return number
    throw new Refused('OFPBRC_BAD_PORT', 'port.number', 'all port numbers are taken')
  }

  /** Two ports can not take the same frames. */
  #checkTunnel(port: PortConfig): void {
    if (port.tunnel === undefined) return
    const wanted = tunnelKey(port)
    const rival = this.#tunnels().find((other) => other.name !== port.name && tunnelKey(other) === wanted)
    if (rival) throw new Refused('port_exists', 'port.tunnel', `port '${rival.name}' has just the same tunnel`)
  }

  #tunnels(): PortConfig[] {
    const kept = [...this.#ports].map((port) => port.config).filter((port) => !this.#byName.has(port.name))
    return [...kept, ...this.#byName.values()].filter((port): port is PortConfig => port?.tunnel !== undefined)
  }
}

const tunnelKey = ({ tunnel }: PortConfig) =>
  tunnel && [tunnel.localIp, tunnel.remoteIp, tunnel.key, tunnel.destinationPort ?? VXLAN_PORT].join()
