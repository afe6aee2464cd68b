// Who is copied, and where copies would have to go.

import { networksOf } from './lookup.ts'
import type { Mirror, MirrorTarget, Nic, Topology, Vm } from './topology.ts'

/** Who hears the copies: a vNIC, or a file, which has no `:` in its name. Undefined of a VLAN. */
export function onlookerOf(target: MirrorTarget): string | undefined {
  if (target.kind === 'vlan') return undefined
  return target.kind === 'port' ? target.port : target.file
}

const isSource = ({ source }: Mirror, nic: Nic): boolean =>
  source.kind === 'port' ? source.port === nic.id : networksOf(nic).includes(source.network)

/** A mirror that would end if the VM were at `host`: its copies would go between two hosts of which one has no tunnel endpoint. */
export interface BrokenMirror {
  readonly mirror: Mirror
  /** Who has none: `host`, or the host of the other end. */
  readonly bare: string
}

/** The first of those; undefined where all mirrors go on. */
export function mirrorBrokenAt(topology: Topology, vm: Vm, host: string): BrokenMirror | undefined {
  const { mirrors = [], hosts, vms } = topology
  if (mirrors.length === 0) return undefined
  const bare = new Set(hosts.filter(({ vtep }) => vtep === undefined).map(({ name }) => name))
  if (bare.size === 0) return undefined
  const elsewhere = vms.filter((other) => other.name !== vm.name && other.host !== host)
  for (const mirror of mirrors) {
    const { target } = mirror
    if (target.kind !== 'port') continue
    const hears = ({ nics }: Vm) => nics.some(({ id }) => id === target.port)
    const speaks = ({ nics }: Vm) => nics.some((nic) => isSource(mirror, nic))
    const [isHearer, isSpeaker] = [hears(vm), speaks(vm)]
    if (!isHearer && !isSpeaker) continue
    const others = elsewhere.filter((other) => (isHearer && speaks(other)) || (isSpeaker && hears(other)))
    if (others.length > 0 && bare.has(host)) return { mirror, bare: host }
    const other = others.find((one) => bare.has(one.host))
    if (other !== undefined) return { mirror, bare: other.host }
  }
  return undefined
}
