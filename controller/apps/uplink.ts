// How a host sends to others: what its uplink carries, and what of that networks and vNICs may have. What is for another host waits in
// a queue of the uplink, also where it leaves in a tunnel: that of the vNIC that has a minimum, else that of its network, where that has
// a limit or a minimum of its own, or one of its vNICs here has. All else is told apart by its DSCP, if by anything.

import type { PortConfig, QueueConfig } from '../../protocols/control/messages.ts'
import { queueConfigs } from '../../topologies/qos.ts'
import type { Binding, Place } from '../network/bindings.ts'
import { placesOf } from '../network/bindings.ts'
import type { NetworkHere, SwitchView } from '../network/view.ts'
import { once } from '../../runtime/once.ts'
import { UPLINK_PORT } from '../network/view.ts'

/** A network's queue has the network's number; these come after the last of them. */
const FIRST_VNIC_QUEUE = 0x1000000
const FIRST_DSCP_QUEUE = 0x2000000

/** The queue of a vNIC that has a minimum of its own, by its port. */
export const vnicQueue = (port: number): number => FIRST_VNIC_QUEUE + port

/** 2 ms of the rate, and at least one full Ethernet frame: what a clock of real time may be late. */
const burstOf = (rate: number) => Math.max(Math.ceil(rate / 500), 12_144)

/** The queue in which the network's frames leave the host, those of one vNIC where it is said which; undefined where in none of their own. */
export function uplinkQueue(
  at: SwitchView,
  view: NetworkHere,
  from?: { binding: Binding; place: Place },
): number | undefined {
  if (!at.integration) return undefined
  if (from?.binding.nic.policy.ingressMinimum !== undefined) return vnicQueue(from.place.port)
  const { ingressRate, ingressMinimum } = view.network.qos ?? {}
  const isShared = ingressRate !== undefined || ingressMinimum !== undefined || minimaIn(at, view).length > 0
  return isShared ? view.number : undefined
}

/** The uplink's port, where it has queues; it is the host's own, and only these are ours. */
export function uplinkPort(at: SwitchView): PortConfig[] {
  if (!at.integration) return []
  const { uplink } = at.host
  const networks = [...at.networks.values()].sort((a, b) => a.number - b.number)
  const shared = networks.flatMap((network) => queuesOf(at, network))
  if (shared.length === 0 && uplink === undefined) return []
  const { uplinkRate: rate } = at
  const classes = queueConfigs(uplink?.queues ?? [], FIRST_DSCP_QUEUE)
  const priority = uplink?.queues.length ?? 0
  const queues = [...classes, ...shared.map((queue) => ({ ...queue, priority }))]
  const port = { number: UPLINK_PORT, name: 'uplink', type: 'uplink', state: 'open' } as const
  return [{ ...port, queues, ...(rate !== undefined && { maxRate: rate, burst: burstOf(rate) }) }]
}

function queuesOf(at: SwitchView, view: NetworkHere): QueueConfig[] {
  const queue = uplinkQueue(at, view)
  if (queue === undefined) return []
  const { ingressRate, ingressBurst, ingressMinimum } = view.network.qos ?? {}
  const parts = minimaIn(at, view).map(({ port, minimum }) => ({
    queue: vnicQueue(port),
    parent: queue,
    minRate: minimum,
    weight: 1,
  }))
  const whole: QueueConfig = {
    queue,
    weight: 1,
    ...(ingressMinimum !== undefined && { minRate: ingressMinimum }),
    ...(ingressRate !== undefined && { maxRate: ingressRate }),
    ...(ingressBurst !== undefined && { burst: ingressBurst }),
  }
  return [whole, ...parts]
}

/** Few have one, and all networks of the switch ask. */
const withMinimum = once((bindings: SwitchView['bindings']) =>
  bindings.filter(({ nic }) => nic.policy.ingressMinimum !== undefined),
)

function minimaIn(at: SwitchView, { network }: NetworkHere): { port: number; minimum: number }[] {
  return withMinimum(at.bindings).flatMap((binding) => {
    const { nic } = binding
    const minimum = nic.policy.ingressMinimum
    if (minimum === undefined || nic.network !== network.name) return []
    return placesOf(binding)
      .filter((place) => place.switch === at.name)
      .map(({ port }) => ({ port, minimum }))
  })
}
