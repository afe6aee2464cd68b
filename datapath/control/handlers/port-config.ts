// What makes a port's configuration one that a switch can take, apart from the ports that it has.

import type { PortConfig, PortShare, QueueConfig, TunnelOptions } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'

const UINT32 = 0xffffffff
const LARGEST_VNI = 0xffffff
const LONGEST_NAME = 255
/** RFC 791 §3.1: every link carries this much; and what an IP packet can be at most. */
const MTU = { smallest: 68, largest: 65535 } as const

const isWhole = (value: number, from: number, to: number) => Number.isInteger(value) && value >= from && value <= to

function require(value: number, from: number, to: number, field: string): void {
  if (!isWhole(value, from, to)) throw new Refused('OFPBRC_BAD_PORT', field, `${value}; expected ${from} to ${to}`)
}

/** @throws Refused */
export function checkPortConfig(port: PortConfig): void {
  if (port.name === '' || port.name.length > LONGEST_NAME)
    throw new Refused('OFPBRC_BAD_PORT', 'port.name', `expected 1 to ${LONGEST_NAME} characters`)
  if (port.tag !== undefined) require(port.tag, 1, 4094, 'port.tag')
  port.trunks?.forEach((vlan, index) => require(vlan, 0, 4095, `port.trunks[${index}]`))
  port.cvlans?.forEach((vlan, index) => require(vlan, 0, 4095, `port.cvlans[${index}]`))
  port.queues?.forEach((queue, index) => checkQueue(queue, port.queues!, `port.queues[${index}]`))
  if (port.maxRate !== undefined) require(port.maxRate, 1, Number.MAX_SAFE_INTEGER, 'port.maxRate')
  if (port.burst !== undefined) require(port.burst, 0, Number.MAX_SAFE_INTEGER, 'port.burst')
  if (port.minRate !== undefined) require(port.minRate, 1, Number.MAX_SAFE_INTEGER, 'port.minRate')
  if (port.share !== undefined) checkShare(port.share, port)
  if (port.mtu !== undefined) require(port.mtu, MTU.smallest, MTU.largest, 'port.mtu')
  checkBelongs(port.type === 'tunnel', port.tunnel, 'port.tunnel', 'a tunnel')
  checkBelongs(port.type === 'patch', port.patchPeer, 'port.patchPeer', 'a patch')
  if (port.tunnel !== undefined) checkTunnel(port.tunnel)
  if (port.patchPeer?.switch === '') throw new Refused('OFPBRC_BAD_PORT', 'port.patchPeer.switch', 'expected a name')
  if (port.patchPeer?.port === '') throw new Refused('OFPBRC_BAD_PORT', 'port.patchPeer.port', 'expected a name')
}

function checkShare({ name, maxRate, burst }: PortShare, { queues }: PortConfig): void {
  if (name === '') throw new Refused('OFPBRC_BAD_PORT', 'port.share.name', 'expected a name')
  require(maxRate, 1, Number.MAX_SAFE_INTEGER, 'port.share.maxRate')
  require(burst, 0, Number.MAX_SAFE_INTEGER, 'port.share.burst')
  if (queues !== undefined && queues.length > 0)
    throw new Refused('OFPBRC_BAD_PORT', 'port.share', 'expected no queues beside it: they can not be shared')
}

function checkQueue(config: QueueConfig, all: readonly QueueConfig[], path: string): void {
  const {
    queue,
    minRate = 1,
    maxRate = minRate,
    burst = 0,
    priority = 0,
    weight = 1,
    limit = 0,
    parent,
    dscps,
  } = config
  require(queue, 0, 0xfffffffe, `${path}.queue`)
  require(minRate, 1, Number.MAX_SAFE_INTEGER, `${path}.minRate`)
  require(maxRate, minRate, Number.MAX_SAFE_INTEGER, `${path}.maxRate`)
  require(burst, 0, Number.MAX_SAFE_INTEGER, `${path}.burst`)
  require(priority, 0, UINT32, `${path}.priority`)
  require(weight, 1, UINT32, `${path}.weight`)
  require(limit, 0, UINT32, `${path}.limit`)
  dscps?.forEach((dscp, index) => require(dscp, 0, 63, `${path}.dscps[${index}]`))
  if (parent === undefined) return
  const above = all.find((other) => other.queue === parent)
  if (above === undefined || above === config || above.parent !== undefined)
    throw new Refused('OFPBRC_BAD_PORT', `${path}.parent`, `${parent}; expected a queue of the port that has no parent`)
}

function checkBelongs(isOfType: boolean, options: object | undefined, field: string, type: string): void {
  if (isOfType && options === undefined) throw new Refused('OFPBRC_BAD_PORT', field, `missing; ${type} port needs it`)
  if (!isOfType && options !== undefined) throw new Refused('OFPBRC_BAD_PORT', field, `only ${type} port has it`)
}

function checkTunnel({ localIp, remoteIp, key, destinationPort, ttl, tos }: TunnelOptions): void {
  require(localIp, 1, UINT32, 'port.tunnel.localIp')
  if (remoteIp !== 'flow') require(remoteIp, 1, UINT32, 'port.tunnel.remoteIp')
  if (key !== 'flow') require(key, 0, LARGEST_VNI, 'port.tunnel.key')
  if (destinationPort !== undefined) require(destinationPort, 1, 65535, 'port.tunnel.destinationPort')
  if (ttl !== undefined && ttl !== 'inherit') require(ttl, 1, 255, 'port.tunnel.ttl')
  if (tos !== undefined && tos !== 'inherit') require(tos, 0, 255, 'port.tunnel.tos')
}
