// ARP requests and IPv6 neighbour solicitations that ask everybody for an address whose owner is known are answered where
// they are asked. Unicast probes go to the owner: only he can say that he is alive. So do those for one's own address:
// announcements, and the search for a double.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Attachment } from '../network/attachments.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Resident } from '../network/bindings.ts'
import { placeOn } from '../network/bindings.ts'
import type { NetworkView } from '../network/view.ts'
import { Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { many, numberAt } from './app.ts'
import { ADVERTISEMENT, ARP, fromPort, inNetwork, is, move, resubmit, set, SOLICITATION, writerFor } from './flow.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('neighbours')

const REQUEST = 1
const REPLY = 2
const TO_ALL = is('eth_dst', 0xffffffffffffn)
/** Every IPv6 multicast address: 33:33:… */
const TO_MANY: FieldMatch = { field: 'eth_dst', value: 0x333300000000n, mask: 0xffff00000000n }
/** Neighbour discovery that came through a router is none (RFC 4861 §7.1.1). */
const FROM_THIS_LINK = is('nw_ttl', 255)
const SOURCE_LINK_LAYER_ADDRESS = 1
const TARGET_LINK_LAYER_ADDRESS = 2
/** Solicited and override. */
const ADVERTISEMENT_FLAGS = 0x60000000

/** Back to the asker, past the rule that nothing leaves by the port it came in on. */
const BACK = [move(Register.From, Register.To, 32), set('in_port', 0), resubmit(Table.Egress)]

/** The asker's frame becomes the answer; `eth_src` is the owner's already. */
const ANSWERS: readonly FlowSpec[] = [
  flow({ table: Table.Neighbours, priority: 0, match: [], goto: Table.Learning }),
  flow({
    table: Table.Answer,
    priority: 100,
    match: [ARP],
    actions: [
      set('arp_op', REPLY),
      move('arp_sha', 'arp_tha', 48),
      move('eth_src', 'arp_sha', 48),
      move('arp_spa', Register.Scratch, 32),
      move('arp_tpa', 'arp_spa', 32),
      move(Register.Scratch, 'arp_tpa', 32),
      ...BACK,
    ],
  }),
  flow({
    table: Table.Answer,
    priority: 100,
    match: SOLICITATION,
    actions: [
      move('ipv6_src', 'ipv6_dst', 128),
      move('nd_target', 'ipv6_src', 128),
      set('nd_options_type', TARGET_LINK_LAYER_ADDRESS),
      set('nd_reserved', ADVERTISEMENT_FLAGS),
      set('icmpv6_type', 136),
    ],
    goto: Table.AnswerNeighbour,
  }),
  flow({
    table: Table.AnswerNeighbour,
    priority: 100,
    match: ADVERTISEMENT,
    actions: [move('eth_src', 'nd_tll', 48), ...BACK],
  }),
]

export const neighbours: App = {
  always: ANSWERS,
  ofVnic: (at, binding) => {
    const { port } = placeOn(binding, at.name)!
    return attachmentsOf(binding.nic).flatMap((one) => ownQuestions(numberAt(at, one.network), port, one))
  },
  ofMany: (_standing, network) => answers(network),
}

const answers = once(({ number, residents }: NetworkView) => [
  many('answers', residents, [number], (resident) => answersFor(number, resident)),
])

function answersFor(network: number, { mac, ipv4, ipv6 }: Resident): FlowSpec[] {
  const answer = (match: FieldMatch[]) =>
    flow({
      table: Table.Neighbours,
      priority: 100,
      match: [inNetwork(network), ...match],
      actions: [move('eth_src', 'eth_dst', 48), set('eth_src', mac)],
      goto: Table.Answer,
    })
  return [
    ...ipv4.map((address) => answer([TO_ALL, ...questionIpv4(address)])),
    ...ipv6.map((address) => answer([TO_MANY, FROM_THIS_LINK, ...questionIpv6(address)])),
  ]
}

const questionIpv4 = (address: bigint) => [ARP, is('arp_op', REQUEST), is('arp_tpa', address)]
const questionIpv6 = (address: bigint) => [
  ...SOLICITATION,
  is('nd_target', address),
  is('nd_options_type', SOURCE_LINK_LAYER_ADDRESS),
]

function ownQuestions(network: number, port: number, { ipv4, ipv6 }: Attachment): FlowSpec[] {
  const questions = [...ipv4.map(questionIpv4), ...ipv6.map(questionIpv6)]
  return questions.map((question) =>
    flow({
      table: Table.Neighbours,
      priority: 200,
      match: [fromPort(port), inNetwork(network), ...question],
      goto: Table.Learning,
    }),
  )
}
