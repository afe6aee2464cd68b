// What the names that people use mean in a topology.

import { InvalidField } from '../protocols/errors.ts'
import { nearest, oneOf } from './did-you-mean.ts'
import type { Bridge, Host, Nic, Topology, Vm } from './topology.ts'
import { switchName } from './topology.ts'

/** A switch by its place: the bridge of a host. */
export interface SwitchPlace {
  host: Host
  bridge: Bridge
}

function unknown(kind: string, name: string, known: readonly string[]): InvalidField {
  const meant = nearest(name, known)
  const hint = meant === undefined ? '' : ` (did you mean '${meant}'?)`
  return new InvalidField(kind, `no ${kind} '${name}'`, oneOf(known) + hint)
}

function find<T extends { name: string }>(kind: string, among: readonly T[], name: string): T {
  const found = among.find((one) => one.name === name)
  if (found === undefined)
    throw unknown(
      kind,
      name,
      among.map((one) => one.name),
    )
  return found
}

/** @throws InvalidField no such host */
export const findHost = (topology: Topology, name: string): Host => find('host', topology.hosts, name)

/** Where VMs stand, by name. Lists that were made from each other share it: it may say where one stands in another of them. */
const places = new WeakMap<readonly Vm[], Map<string, number>>()

function placesIn(vms: readonly Vm[]): Map<string, number> {
  const before = places.get(vms)
  if (before !== undefined) return before
  const made = new Map(vms.map(({ name }, index) => [name, index]))
  places.set(vms, made)
  return made
}

function placeOf(vms: readonly Vm[], name: string): number {
  const place = placesIn(vms).get(name) ?? -1
  return place < 0 || vms[place]?.name === name ? place : vms.findIndex((vm) => vm.name === name)
}

/** The VM of this name, if there is one: among many, without looking at all. */
export function vmNamed(vms: readonly Vm[], name: string): Vm | undefined {
  return vms[placeOf(vms, name)]
}

/** The VMs with one in the place of another, which is among them. */
export function replaceVm(vms: readonly Vm[], was: Vm, is: Vm): Vm[] {
  const now = vms.with(placeAmong(vms, was), is)
  if (is.name === was.name) places.set(now, placesIn(vms))
  return now
}

/** The VMs and another, of a name that none of them has. */
export function appendVm(vms: readonly Vm[], vm: Vm): Vm[] {
  if (vmNamed(vms, vm.name) !== undefined) throw new Error(`VM '${vm.name}' is one of these`)
  const now = [...vms, vm]
  places.set(now, placesIn(vms).set(vm.name, vms.length))
  return now
}

/** The VMs without one, which is among them. */
export const removeVm = (vms: readonly Vm[], vm: Vm): Vm[] => vms.toSpliced(placeAmong(vms, vm), 1)

function placeAmong(vms: readonly Vm[], vm: Vm): number {
  const place = placeOf(vms, vm.name)
  if (vms[place] !== vm) throw new Error(`VM '${vm.name}' is none of these`)
  return place
}

/** `web1:eth0`, or `web1` where that VM has exactly one vNIC. @throws InvalidField */
export function findNic(topology: { readonly vms: readonly Vm[] }, name: string): Nic {
  const [vmName, nicName] = name.split(':')
  const vm = vmNamed(topology.vms, vmName!)
  if (vm === undefined)
    throw unknown(
      'vNIC',
      name,
      topology.vms.flatMap(({ nics }) => nics.map(({ id }) => id)),
    )
  const ids = vm.nics.map(({ id }) => id)
  if (nicName === undefined && vm.nics.length !== 1)
    throw new InvalidField('vNIC', `'${name}' has ${vm.nics.length} vNICs`, oneOf(ids))
  const nic = vm.nics.find(({ id }) => id === name || nicName === undefined)
  if (nic === undefined) throw unknown('vNIC', name, ids)
  return nic
}

/** The bridge that has the host's uplink and tunnel. */
export const integrationBridge = (host: Host): Bridge => host.bridges[0]!

/** `h1/br-int`, or `h1` for its integration bridge. @throws InvalidField */
export function resolveSwitch(topology: Topology, name: string): SwitchPlace {
  const [hostName = '', ...bridgeName] = name.split('/')
  const host = findHost(topology, hostName)
  if (bridgeName.length === 0) return { host, bridge: integrationBridge(host) }
  return { host, bridge: find(`bridge on ${hostName}`, host.bridges, bridgeName.join('/')) }
}

/** `h1` as the name of its integration bridge, `h1/br-int`; any other name as it is, known or not. */
export function fullSwitchName({ hosts }: Topology, name: string): string {
  const host = hosts.find((one) => one.name === name)
  return host === undefined ? name : switchName(host, integrationBridge(host))
}

/** Every network the vNIC is in: its own first, then those behind its tags. */
export function networksOf(nic: Nic): string[] {
  const own = nic.network === undefined ? [] : [nic.network]
  return [...new Set([...own, ...nic.trunks.map(({ network }) => network)])]
}
