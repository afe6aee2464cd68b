// Small scenarios to explore: traffic without a pause, and a guest that moves meanwhile.

import { parseTopology } from '../../topologies/load.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import type { Scenario, Step } from '../../topologies/scenario.ts'
import { blueGuest } from './blue-guests.ts'

interface Options {
  type?: 'vlan' | 'vxlan'
  /** Of the guest that moves. */
  policy?: object
  /** Somebody at its destination speaks to it, too. */
  beside?: boolean
  steps?: { at: number; step: Step }[]
}

/** A guest that only listens, on h1, and two that speak to it; the switch between the hosts learns addresses. */
export function movingListener({ type = 'vlan', policy = {}, beside = false, steps = [] }: Options = {}): Scenario {
  const vm = (name: string, host: string, serial: number, own: object = {}) => {
    const nic = { name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`] }
    return { name, host, nics: [{ ...nic, policy: own }] }
  }
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      name: 'moving-listener',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 10 }],
      vms: [
        vm('listener', 'h1', 1, policy),
        vm('near', 'h1', 2),
        vm('far', 'h2', 3),
        ...(beside ? [vm('beside', 'h3', 4)] : []),
      ],
    }),
    'moving-listener',
  )
  return {
    name: 'moving-listener',
    topology,
    folder: '',
    seed: 1,
    expect: [],
    timeline: [
      { at: 0, step: toListener('far', 60) },
      { at: 0, step: toListener('near', 30) },
      ...(beside ? [{ at: 0, step: toListener('beside', 30) }] : []),
      { at: 10 * MILLISECOND, step: { type: 'migrate', vm: 'listener', to: 'h3', pause: 2 * MILLISECOND } },
      ...steps,
    ],
  }
}

/** Over 60 ms. */
const toListener = (from: string, count: number): Step => ({
  type: 'send',
  from,
  frame: 'udp,dl_dst=02:00:00:00:00:01,tp_dst=7',
  count,
  rate: (count * 1000) / 60,
})

type Migrate = Extract<Step, { type: 'migrate' }>

/**
 * A guest that may speak to others, and nobody to it unless it is answered: `near`, beside it on h1, and `far`, on h2, answer it without a
 * pause while it moves to h3, and it says nothing more. So they are heard for as long as its connections are known.
 */
export function answeredAsker(type: 'vlan' | 'vxlan', move: Partial<Migrate> = {}): Scenario {
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      name: 'answered-asker',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 10 }],
      securityGroups: [{ name: 'asks', rules: [{ direction: 'egress' }] }],
      vms: [
        blueGuest('asker', 'h1', 1, ['10.0.0.1'], { securityGroups: ['asks'] }),
        blueGuest('near', 'h1', 2, ['10.0.0.2'], {}),
        blueGuest('far', 'h2', 3, ['10.0.0.3'], {}),
      ],
    }),
    'answered-asker',
  )
  const talk = (from: string, [source, destination]: readonly [number, number], count: number): Step => ({
    type: 'send',
    from,
    frame: `udp,dl_dst=02:00:00:00:00:0${destination},nw_src=10.0.0.${source},nw_dst=10.0.0.${destination},tp_src=9,tp_dst=9`,
    count,
    rate: 1000,
  })
  return {
    name: 'answered-asker',
    topology,
    folder: '',
    seed: 1,
    expect: [],
    timeline: [
      { at: 0, step: talk('asker', [1, 2], 2) },
      { at: 0, step: talk('asker', [1, 3], 2) },
      { at: 4 * MILLISECOND, step: talk('near', [2, 1], 40) },
      { at: 4 * MILLISECOND, step: talk('far', [3, 1], 40) },
      { at: 10 * MILLISECOND, step: { type: 'migrate', vm: 'asker', to: 'h3', pause: 2 * MILLISECOND, ...move } },
    ],
  }
}
