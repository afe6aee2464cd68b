// How long memberships live, and what of them is news.

import { expect, test } from 'vitest'
import { Memberships, ROUTERS, type Membership } from '../../../controller/network/memberships.ts'
import { Ages } from '../../../controller/snooping/ages.ts'

const beyond = (source: string): Membership => ({ network: 'blue', group: ROUTERS, spot: { kind: 'outside' }, source })

test('of several routers beyond an uplink, one that stays for a shorter time takes nobody else with it', () => {
  const ages = new Ages()
  ages.hearOneOf(beyond('10.0.0.1'), 0, 105)
  ages.hearOneOf(beyond('10.0.0.2'), 10, 3)
  expect(ages.takeDue(104)).toEqual([])
  ages.hearOneOf(beyond('10.0.0.2'), 104, 3)
  expect(ages.takeDue(106)).toEqual([])
  expect(ages.takeDue(107)).toHaveLength(1)
})

test('which router of a spot has spoken last is no news', () => {
  const known = new Memberships().with(beyond('10.0.0.1'))
  expect(known.with(beyond('fe80::1'))).toBe(known)
})
