import { describe, expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { follow } from '../../lab/trace/source.ts'
import { formatFollowed } from '../../lab/trace/text.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { smallTopology, startLiveLab } from '../support/live-lab.ts'

const topology = parseTopology(JSON.stringify(smallTopology()), 'small')
const lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })

describe('following a frame', () => {
  test('ends at the guest that would hear it', () => {
    const followed = follow(lab, topology, { at: 'web1', frame: 'icmp,nw_dst=10.0.10.12' })
    expect(followed.hops.map((hop) => hop.switch)).toEqual(['h1/br-int', 'h2/br-int'])
    expect(followed.deliveries.map(({ nic }) => nic)).toEqual(['db1:eth0'])
    expect(formatFollowed(followed)).toContain('heard by db1:eth0')
  })

  test('names the drop of a forged address', () => {
    const followed = follow(lab, topology, { at: 'web1', frame: 'icmp,nw_src=10.0.10.99,nw_dst=10.0.10.12' })
    expect(followed.deliveries).toEqual([])
    expect(followed.drops).toContainEqual({ place: 'h1/br-int', name: 'port_security' })
  })

  test('is offered by the API', async () => {
    const live = await startLiveLab()
    try {
      const order = { at: 'web1', flow: 'icmp,nw_dst=10.0.10.12' }
      const posted = await live.api.inject({ method: 'POST', url: '/trace', payload: order })
      const got = await live.api.inject({ method: 'GET', url: '/trace', query: order })
      expect(posted.json().deliveries).toMatchObject([{ nic: 'db1:eth0' }])
      expect(got.json()).toEqual(posted.json())
      const wrong = await live.api.inject({ method: 'POST', url: '/trace', payload: { at: 'nobody', flow: 'icmp' } })
      expect(wrong.statusCode).toBe(400)
    } finally {
      await live.stop()
    }
  })
})
