// Who is copied, and where copies would have to go.

import { networksOf } from './lookup.ts'
import type { Mirror, Nic, Topology, Vm } from './topology.ts'

const isSource = ({ source }: Mirror, nic: Nic): boolean =>
  source.kind === 'port' ? source.port === nic.id : networksOf(nic).includes(source.network)

/** A mirror whose copies would go between `host` and another if the VM were there: tunnels must lead there and back. */
export function mirrorBetween({ mirrors = [], vms }: Topology, vm: Vm, host: string): Mirror | undefined {
  const elsewhere = vms.filter((other) => other.name !== vm.name && other.host !== host)
  return mirrors.find((mirror) => {
    const { target } = mirror
    if (target.kind !== 'port') return false
    const hears = ({ nics }: Vm) => nics.some(({ id }) => id === target.port)
    const speaks = ({ nics }: Vm) => nics.some((nic) => isSource(mirror, nic))
    return (hears(vm) && elsewhere.some(speaks)) || (speaks(vm) && elsewhere.some(hears))
  })
}
