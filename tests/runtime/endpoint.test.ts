import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { formatEndpoint, parseEndpoint, withoutMapping } from '../../runtime/endpoint.ts'

describe('a connection method', () => {
  test.each<[string, Endpoint]>([
    ['tcp:192.0.2.1', { kind: 'tcp', passive: false, host: '192.0.2.1', port: 6653 }],
    ['tcp:controller.example:6633', { kind: 'tcp', passive: false, host: 'controller.example', port: 6633 }],
    ['ssl:[2001:db8::1]:6653', { kind: 'ssl', passive: false, host: '2001:db8::1', port: 6653 }],
    ['unix:/run/x.sock', { kind: 'unix', passive: false, path: '/run/x.sock' }],
    ['ptcp:', { kind: 'tcp', passive: true, port: 6653 }],
    ['ptcp:0:127.0.0.1', { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 }],
    ['pssl:6654:[::1]', { kind: 'ssl', passive: true, host: '::1', port: 6654 }],
    ['punix:x', { kind: 'unix', passive: true, path: 'x' }],
  ])('%s', (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint)
    expect(parseEndpoint(formatEndpoint(endpoint))).toEqual(endpoint)
  })

  test.each([
    ['127.0.0.1:6653', 'names no connection'],
    ['udp:127.0.0.1', 'names no connection'],
    ['tcp:', 'names no host'],
    ['tcp:::1:6653', 'names no host'],
    ['tcp:host:70000', '70000 is no port'],
    ['ptcp:127.0.0.1', 'can not be listened on'],
    ['unix:', 'names no file'],
  ])('%s is refused: %s', (text, why) => {
    expect(() => parseEndpoint(text)).toThrow(why)
  })
})

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '::ffff:c000:201'],
  ['2001:db8::1', '2001:db8::1'],
])('%s is shown as %s', (address, shown) => {
  expect(withoutMapping(address)).toBe(shown)
})
