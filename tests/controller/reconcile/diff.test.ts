import { describe, expect, test } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import { compile } from '../../../controller/reconcile/compile.ts'
import { diff, messagesOf, patch } from '../../../controller/reconcile/diff.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { EMPTY_STATE, flowKey, sameFlow, samePort } from '../../../controller/reconcile/switch-state.ts'
import { seeded } from '../../../runtime/random.ts'
import { randomTopology } from '../../support/random-topologies.ts'

function randomState(seed: number): SwitchState {
  const view = buildView(bareIntent(randomTopology(seeded(seed))))
  return compile([...view.switches.values()][0]!, view)
}

const seeds = Array.from({ length: 20 }, (_, index) => index + 1)

describe('diff', () => {
  test.each(seeds)('applied to the old state gives the new one (seed %i)', (seed) => {
    const from = randomState(seed)
    const to = randomState(seed + 1000)
    const patched = patch(from, diff(from, to))
    expect(new Set(patched.flows.keys())).toEqual(new Set(to.flows.keys()))
    for (const [key, flow] of to.flows) expect(sameFlow(patched.flows.get(key)!, flow)).toBe(true)
    expect(new Set(patched.ports.keys())).toEqual(new Set(to.ports.keys()))
    for (const [name, port] of to.ports) expect(samePort(patched.ports.get(name)!, port)).toBe(true)
    expect(new Map(patched.meters)).toEqual(new Map(to.meters))
  })

  test.each(seeds)('of a state and itself, and of two equal ones, is empty (seed %i)', (seed) => {
    const state = randomState(seed)
    expect(messagesOf(diff(state, state))).toEqual([])
    expect(messagesOf(diff(state, structuredClone({ ...state, flows: new Map(state.flows) })))).toEqual([])
  })

  test('counts a flow written in another way as the same', () => {
    const [flow] = [...randomState(1).flows.values()].filter(({ match }) => match.length > 1)
    expect(flow).toBeDefined()
    const turned = { ...flow!, match: [...flow!.match].reverse() }
    expect(flowKey(turned)).toBe(flowKey(flow!))
    const again = { ...EMPTY_STATE, flows: new Map([[flowKey(turned), turned]]) }
    expect(messagesOf(diff({ ...EMPTY_STATE, flows: new Map([[flowKey(flow!), flow!]]) }, again))).toEqual([])
  })

  test('makes a port anew that changes its number, and makes room first', () => {
    const port = { number: 100, name: 'a:eth0', type: 'vnic', state: 'open' } as const
    const taken = { number: 101, name: 'b:eth0', type: 'vnic', state: 'open' } as const
    const from = { ...EMPTY_STATE, ports: new Map([port, taken].map((one) => [one.name, one])) }
    const to = { ...EMPTY_STATE, ports: new Map([[port.name, { ...port, number: 101 }]]) }
    const commands = messagesOf(diff(from, to)).map((message) => message.type === 'portMod' && message.command)
    expect(commands).toEqual(['delete', 'delete', 'add'])
  })
})
