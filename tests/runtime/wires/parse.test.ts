import { describe, expect, test } from 'vitest'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { formatWire, parseWire } from '../../../runtime/wires/parse.ts'
import type { WireSpec } from '../../../runtime/wires/wire.ts'

describe('a wire', () => {
  test.each<[string, WireSpec]>([
    [
      'dgram:127.0.0.1:5001,qemu.example:6001',
      { kind: 'dgram', local: { host: '127.0.0.1', port: 5001 }, remote: { host: 'qemu.example', port: 6001 } },
    ],
    [
      'dgram:[::1]:0,[::1]:6001',
      { kind: 'dgram', local: { host: '::1', port: 0 }, remote: { host: '::1', port: 6001 } },
    ],
    ['stream:ptcp:5001', { kind: 'stream', endpoint: { kind: 'tcp', passive: true, port: 5001 } }],
    ['stream:ptcp:0:[::1]', { kind: 'stream', endpoint: { kind: 'tcp', passive: true, host: '::1', port: 0 } }],
    ['stream:tcp:[::1]:5001', { kind: 'stream', endpoint: { kind: 'tcp', passive: false, host: '::1', port: 5001 } }],
    ['stream:unix:/run/vm.sock', { kind: 'stream', endpoint: { kind: 'unix', passive: false, path: '/run/vm.sock' } }],
    ['stream:punix:vm.sock', { kind: 'stream', endpoint: { kind: 'unix', passive: true, path: 'vm.sock' } }],
    ['tap:tap0', { kind: 'tap', name: 'tap0' }],
    ['tap:vm-1.eth0,mtu=9000', { kind: 'tap', name: 'vm-1.eth0', mtu: 9000 }],
    ['interface:veth0', { kind: 'interface', name: 'veth0' }],
  ])('%s', (text, spec) => {
    expect(parseWire(text)).toEqual(spec)
    expect(formatWire(spec)).toBe(text)
  })

  test.each([
    ['', "'' is no wire; expected dgram:LOCAL_HOST:PORT,REMOTE_HOST:PORT, stream:ptcp:PORT[:HOST]"],
    ['vhost:x', "'vhost:x' is no wire; expected dgram:"],
    ['constructor:x', "'constructor:x' is no wire"],
    ['dgram:127.0.0.1:1', 'has not two ends; expected dgram:'],
    ['dgram:127.0.0.1:1,127.0.0.1', "'127.0.0.1' is no address; expected HOST:PORT"],
    ['dgram:127.0.0.1:1,127.0.0.1:70000', "the UDP port '70000'; expected 0 to 65535"],
    ['dgram:127.0.0.1:1,127.0.0.1:0', 'is no remote end; expected a port from 1'],
    ['dgram:127.0.0.1:1,[::1]:2', 'both ends of a wire have to be of IPv4, or both of IPv6'],
    ['stream:127.0.0.1:1', 'is no stream; expected stream:ptcp:'],
    ['stream:ssl:127.0.0.1:1', 'is no stream; expected stream:ptcp:'],
    ['stream:tcp:127.0.0.1', 'is no stream; expected stream:ptcp:'],
    ['stream:tcp:[::1]', 'is no stream; expected stream:ptcp:'],
    ['stream:ptcp:', 'is no stream; expected stream:ptcp:'],
    ['stream:ptcp::127.0.0.1', 'is no stream; expected stream:ptcp:'],
    ['stream:unix:', 'is no stream; expected stream:ptcp:'],
    ['stream:ptcp:70000', '70000 is no port'],
    ['tap:', "'' is no name of an interface; expected up to 15 letters"],
    ['tap:a-name-of-16-let', 'is no name of an interface'],
    ['tap:../etc', 'is no name of an interface'],
    ['tap:tap0,mtu=67', "mtu '67'; expected 68 to 65521"],
    ['tap:tap0,up', "'up' says nothing of a TAP; expected tap:NAME"],
    ['interface:eth 0', 'is no name of an interface'],
  ])('%j is refused: %s', (text, why) => {
    expect(() => parseWire(text)).toThrow(why)
  })

  test.each([1, 2, 3])('parses again from what it is written as (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let wire = 0; wire < 300; wire++) {
      const spec = randomSpec(random)
      expect(parseWire(formatWire(spec))).toEqual(spec)
    }
  })
})

const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!

function randomSpec(random: Random): WireSpec {
  const hosts = pick(random, [
    ['127.0.0.1', '192.0.2.7', 'vm.example'],
    ['::1', '2001:db8::7'],
  ])
  const [host, port] = [pick(random, hosts), 1 + random.below(65535)]
  const name = Array.from({ length: 1 + random.below(15) }, () => pick(random, [...'abcXYZ019-_'])).join('')
  const passive = random.below(2) === 1
  switch (pick(random, ['dgram', 'tcp', 'ptcp', 'unix', 'tap', 'interface'])) {
    case 'dgram':
      return { kind: 'dgram', local: { host, port: random.below(65536) }, remote: { host: pick(random, hosts), port } }
    case 'tcp':
      return { kind: 'stream', endpoint: { kind: 'tcp', passive, host, port } }
    case 'ptcp':
      return { kind: 'stream', endpoint: { kind: 'tcp', passive: true, port } }
    case 'unix':
      return { kind: 'stream', endpoint: { kind: 'unix', passive, path: `/run/${name}:1,2` } }
    case 'tap':
      return { kind: 'tap', name, ...(passive && { mtu: 68 + random.below(9000) }) }
    default:
      return { kind: 'interface', name }
  }
}
