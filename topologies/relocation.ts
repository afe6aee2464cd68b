// Which bridge of a host a vNIC is to be on when its VM comes from another: integration bridges stand for each other whatever
// their names, the others for those of the same name.

import type { Host, Nic, Topology, Vm } from './topology.ts'
import { switchName } from './topology.ts'

/** Name of the bridge at `to` for a vNIC that is at `from`; `to` may have none of that name. */
const bridgeAt = (nic: Nic, from: Host, to: Host): string =>
  nic.bridge === from.bridges[0]!.name ? to.bridges[0]!.name : nic.bridge

/** As `h1/br-int`. */
export const switchAt = (nic: Nic, from: Host, to: Host): string => `${to.name}/${bridgeAt(nic, from, to)}`

export const hasBridgeFor = (nic: Nic, from: Host, to: Host): boolean =>
  to.bridges.some(({ name }) => name === bridgeAt(nic, from, to))

/** What a VM's ports at `to` need: the switches they are on, and the integration bridge that joins them to the fabric. */
export function switchesOf(vm: Vm, from: Host, to: Host): string[] {
  return [...new Set([switchName(to, to.bridges[0]!), ...vm.nics.map((nic) => switchAt(nic, from, to))])]
}

/** The VM at another host of the topology; undefined where there is no place for it. A vNIC that stays the same is the same object. */
export function relocated(vm: Vm, { hosts }: Topology, host: string): Vm | undefined {
  const from = hosts.find(({ name }) => name === vm.host)
  const to = hosts.find(({ name }) => name === host)
  if (from === undefined || to === undefined || !vm.nics.every((nic) => hasBridgeFor(nic, from, to))) return undefined
  const nics = vm.nics.map((nic) => {
    const bridge = bridgeAt(nic, from, to)
    return bridge === nic.bridge ? nic : { ...nic, bridge }
  })
  return { ...vm, host, nics }
}
