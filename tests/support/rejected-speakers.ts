// A small scenario to explore: guests that speak to one whose groups refuse all of it and say so, and that one moves meanwhile.

import { MILLISECOND } from '../../runtime/clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario, Step } from '../../topologies/scenario.ts'
import { blueGuest } from './blue-guests.ts'

/** vm1 moves from h1 to h3, and refuses; vm2 is beside it, vm3 on h2 and filtered itself. */
export function rejectedSpeakers(type: 'vlan' | 'vxlan'): Scenario {
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      name: 'rejected-speakers',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 10 }],
      securityGroups: [
        { name: 'speaks', rules: [{ direction: 'egress' }] },
        { name: 'silent', rules: [] },
      ],
      vms: [
        blueGuest('vm1', 'h1', 1, ['10.0.0.1'], { securityGroups: ['silent'], deny: 'reject' }),
        blueGuest('vm2', 'h1', 2, ['10.0.0.2'], {}),
        blueGuest('vm3', 'h2', 3, ['10.0.0.3'], { securityGroups: ['speaks'] }),
      ],
    }),
    'rejected-speakers',
  )
  return {
    name: 'rejected-speakers',
    topology,
    folder: '',
    seed: 1,
    expect: [],
    timeline: [
      { at: 0, step: toRefuser(2, 'udp') },
      { at: 0, step: toRefuser(3, 'udp') },
      { at: 0, step: toRefuser(2, 'tcp') },
      { at: 10 * MILLISECOND, step: { type: 'migrate', vm: 'vm1', to: 'h3', pause: 2 * MILLISECOND } },
    ],
  }
}

const toRefuser = (serial: number, protocol: 'udp' | 'tcp'): Step => ({
  type: 'send',
  from: `vm${serial}`,
  frame: `${protocol},dl_dst=02:00:00:00:00:01,nw_src=10.0.0.${serial},nw_dst=10.0.0.1,tp_src=9,tp_dst=7`,
  count: 20,
  rate: 400,
})
