// Quality of service, as people write it: Neutron's bandwidth limits, minimum bandwidth and DSCP marking, and queues for DSCPs.

import { Type } from 'typebox'
import { closed, integer, LARGEST_COUNT, optional, rate, size } from './parts.ts'

const MOST_WEIGHT = 1000
const DEFAULT_BURST = 'Default: 10 ms of the rate, at least 12144b.'

export const dscp = (description: string) => integer(0, 63, description)

/** Of a vNIC: `ingress` is what the VM sends, `egress` what it receives, as Open vSwitch means them. */
export const qosOfPolicy = {
  ingressRate: optional(rate('What the VM may send; what is beyond is dropped. Default: unlimited.')),
  ingressBurst: optional(size(`What may pass at once over ingressRate. ${DEFAULT_BURST}`)),
  ingressMinimum: optional(
    rate(
      "What the VM may count on to send to other hosts when its host's uplink is full. The vNIC is on the integration bridge. Default: its fair share.",
    ),
  ),
  egressRate: optional(rate('What the VM may receive; what is beyond waits. Default: unlimited.')),
  egressBurst: optional(size(`What may pass at once over egressRate. ${DEFAULT_BURST}`)),
  egressMinimum: optional(
    rate(
      "What the VM may count on to receive of its network's qos.egressRate. Not for a trunk. Default: its fair share.",
    ),
  ),
  dscp: optional(dscp('DSCP put on what the VM sends. Default: left as it is.')),
  trustDscp: optional(
    Type.Boolean({
      description:
        'Whether a DSCP that the guest has set stays. If not, all is marked with dscp, or 0; if so, only what bears 0 is. Default: true, but false where there is a dscp.',
    }),
  ),
}

export const NetworkQos = closed(
  {
    ingressRate: optional(
      rate('What its vNICs on one host may send to other hosts, together; what is beyond waits. Default: unlimited.'),
    ),
    ingressBurst: optional(size(`What may pass at once over ingressRate. ${DEFAULT_BURST}`)),
    ingressMinimum: optional(
      rate("What they may count on together when the host's uplink is full. Default: a fair share."),
    ),
    egressRate: optional(
      rate(
        'What its vNICs on one bridge of a host may receive, together; what is beyond waits. Trunks are not counted. Default: unlimited.',
      ),
    ),
    egressBurst: optional(size(`What may pass at once over egressRate. ${DEFAULT_BURST}`)),
  },
  { description: 'Limits and minima that all vNICs of the network on one host share.' },
)

const Queue = closed(
  {
    dscp: optional(
      Type.Array(dscp('A DSCP.'), {
        minItems: 1,
        uniqueItems: true,
        description: 'Frames with one of these are for this queue. Absent for one queue at most: all others.',
      }),
    ),
    strict: optional(
      Type.Boolean({
        description:
          'It goes before all queues that follow in the list and before all that are not strict. Default: false.',
      }),
    ),
    weight: optional(
      integer(
        1,
        MOST_WEIGHT,
        'Its share of what strict queues and minima leave, against the other weights. Default: 1.',
      ),
    ),
    minimum: optional(rate('What it gets before anybody gets more than theirs. Default: nothing.')),
    rate: optional(rate('What it never exceeds. Default: unlimited.')),
    burst: optional(size(`What may pass at once over rate. ${DEFAULT_BURST}`)),
    limit: optional(integer(0, LARGEST_COUNT, 'Frames that may wait. Default: 1000.')),
  },
  { description: 'What waits for its turn together.' },
)

export const queues = (description: string) => optional(Type.Array(Queue, { minItems: 1, description }))

export const Uplink = closed(
  {
    rate: optional(
      rate('What the host sends to others at most. Default: the bandwidth of its link, where it has one and no more.'),
    ),
    queues: queues(
      'Queues for DSCPs, on the host itself. What a network with qos sends is not among them. Default: one for all.',
    ),
  },
  { description: 'How the host sends to others.' },
)

export type WrittenNetworkQos = Type.Static<typeof NetworkQos>
export type WrittenQueue = Type.Static<typeof Queue>
export type WrittenUplink = Type.Static<typeof Uplink>
