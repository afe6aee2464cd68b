import { expect, test } from 'vitest'
import { frameMapper } from '../../lab/frame-map.ts'
import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { icmpEchoFrame, icmpv6EchoFrame } from '../../protocols/packet/compose.ts'
import { parseTopology } from '../../topologies/load.ts'

test('a source that nobody has is told as people write it', () => {
  const { entryOf } = frameMapper('source-ip', parseTopology('{"version":1,"hosts":[]}', 'empty.json'))
  const echo = { ethSrc: 1n, ethDst: 2n, identifier: 1, sequence: 1 }
  const entryFor = (bytes: Uint8Array) => entryOf({ bytes, time: 0, interface: 0 } as never)
  const ipv6 = { ipSrc: parseIpv6('2001:db8::1'), ipDst: parseIpv6('2001:db8::2') }
  expect(entryFor(icmpv6EchoFrame({ ...echo, ...ipv6 }))).toEqual({ unmapped: '2001:db8::1' })
  const ipv4 = { ipSrc: parseIpv4('192.0.2.1'), ipDst: parseIpv4('192.0.2.2') }
  expect(entryFor(icmpEchoFrame({ ...echo, ...ipv4 }))).toEqual({ unmapped: '192.0.2.1' })
})
