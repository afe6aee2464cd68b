// Security groups and what their rules refer to, in Neutron's words.

import { Type } from 'typebox'
import { addresses, closed, inCase, integer, name, optional, scopedName } from './parts.ts'
import { tenant } from './tenants.ts'

export const DIRECTIONS = ['ingress', 'egress'] as const
export const ETHERTYPES = ['IPv4', 'IPv6'] as const
export const PROTOCOLS = ['tcp', 'udp', 'icmp', 'icmpv6', 'sctp'] as const
export const RULE_REMOVALS = ['cut', 'keep'] as const
export const DENIALS = ['drop', 'reject'] as const

const PROTOCOL = `${PROTOCOLS.join(', ')} or a number from 0 to 255`

const LARGEST_PORT = 65_535

export const AddressGroup = closed({
  name: name('Name of the address group.'),
  tenant: tenant('address group'),
  addresses: addresses('IPv4 and IPv6 addresses and prefixes.'),
})

const Rule = closed({
  direction: Type.Enum([...DIRECTIONS], {
    description: 'ingress: connections that others open to the vNIC. egress: connections that it opens itself.',
  }),
  ethertype: optional(Type.Enum([...ETHERTYPES], { description: 'Default: IPv4.' })),
  protocol: optional(
    Type.Unsafe<(typeof PROTOCOLS)[number] | number>({
      title: PROTOCOL,
      description: 'IP protocol, by name or number. Default: any.',
      type: ['string', 'integer'],
      ...inCase(
        { type: 'string' },
        { enum: [...PROTOCOLS] },
        { type: 'integer', minimum: 0, maximum: 255, title: PROTOCOL },
      ),
    }),
  ),
  portRangeMin: optional(integer(1, LARGEST_PORT, 'First destination port; for tcp, udp and sctp. Default: any port.')),
  portRangeMax: optional(integer(1, LARGEST_PORT, 'Last destination port. Default: portRangeMin.')),
  icmpType: optional(integer(0, 255, 'ICMP type; for icmp and icmpv6. Default: any.')),
  icmpCode: optional(integer(0, 255, 'ICMP code. Default: any of the type.')),
  remoteIpPrefix: optional(
    Type.String({
      description: 'Address or prefix of the far end. At most one of the three remotes; without: anybody.',
    }),
  ),
  remoteGroup: optional(
    scopedName(
      'The far end is a vNIC with this security group: it has one of the addresses, or allowed address pairs, that such a vNIC has on the same network.',
    ),
  ),
  remoteAddressGroup: optional(scopedName('The far end has an address of this address group.')),
})

export const SecurityGroup = closed({
  name: name('Name of the security group.'),
  tenant: tenant('security group'),
  stateful: optional(
    Type.Boolean({
      description:
        'True: what belongs or is related to an allowed connection is allowed, both ways. False: each frame is judged by itself. Default: true.',
    }),
  ),
  onRuleRemoval: optional(
    Type.Enum([...RULE_REMOVALS], {
      description:
        'What becomes of connections that a rule of this group allowed and no rule allows any more: cut at once, or kept until they end. Default: cut.',
    }),
  ),
  rules: Type.Array(Rule, { description: 'What is allowed. What no rule allows is denied.' }),
})

export type WrittenSecurityGroup = Type.Static<typeof SecurityGroup>
export type WrittenRule = Type.Static<typeof Rule>
