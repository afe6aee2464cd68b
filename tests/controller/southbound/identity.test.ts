// Over TLS: who is let in by the controller, and who is not.

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import { Connection } from '../../../protocols/control/connection.ts'
import type { Message } from '../../../protocols/control/messages.ts'
import { NEWCOMER_LIMITS } from '../../../runtime/newcomers.ts'
import { dial, listen, type TlsFiles } from '../../../runtime/sockets.ts'
import { WallClock } from '../../../runtime/wall-clock.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'
import { TestAuthority } from '../../support/test-authority.ts'

const never = new AbortController().signal
let ours: TestAuthority
let others: TestAuthority
let files: TlsFiles
beforeAll(async () => {
  ours = await TestAuthority.make()
  others = await TestAuthority.make()
  files = await ours.issue('controller')
})
afterAll(() => {
  ours.remove()
  others.remove()
})

const closing: (() => unknown)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function start() {
  const clock = new WallClock()
  const log: string[] = []
  let told = () => {}
  const note = (line: string) => {
    log.push(line)
    told()
  }
  const controller = new Controller({ clock, log: note })
  const options = { newcomers: NEWCOMER_LIMITS, log: note }
  const at = { kind: 'ssl', passive: true, host: '127.0.0.1', port: 0 } as const
  const listener = await listen(at, files, (channel) => controller.accept(channel), options)
  const target = { ...listener.endpoint, passive: false }
  await controller.apply(threeHosts())
  closing.push(
    () => clock.stop(),
    () => listener.close(),
  )
  const said = async (pattern: RegExp) => {
    while (!log.some((line) => pattern.test(line))) await new Promise<void>((resolve) => (told = resolve))
  }
  const channelOf = async (credentials: TlsFiles) => {
    const channel = await dial(target, credentials, never)
    closing.push(() => channel.close())
    return channel
  }
  /** Dials as the switch of that name, with these credentials. */
  const dialAs = async (name: string, credentials: TlsFiles) => {
    const made = new FakeSwitch(name, clock)
    made.speak(await channelOf(credentials))
    return made
  }
  return { controller, channelOf, dialAs, said, log }
}

const inSync = (controller: Controller, name: string): Promise<void> =>
  new Promise((resolve) => {
    const look = () => {
      if (controller.switches().some((one) => one.name === name && one.connected && one.inSync)) resolve()
    }
    closing.push(controller.subscribe(look))
    look()
  })

async function hungUp(one: FakeSwitch | undefined): Promise<void> {
  await vi.waitFor(() => expect(one?.connected ?? false).toBe(false), { timeout: 100_000 })
}

test('a switch speaks for the host that its certificate names, and for no other', async () => {
  const { controller, dialAs, said } = await start()
  const genuine = await dialAs('h2/br-int', await ours.issue('h2', { server: false }))
  await inSync(controller, 'h2/br-int')
  const impostor = await dialAs('h2/br-int', await ours.issue('h1', { server: false }))
  const heard: Message[] = []
  impostor.onReceived = (message) => heard.push(message)
  await said(/^ssl:127\.0\.0\.1:\d+: refused: it says that it is h2\/br-int, and its certificate is of 'h1'$/)
  await hungUp(impostor)
  const message = "the controller refuses h2/br-int: the certificate is of 'h1'"
  expect(heard).toContainEqual({ type: 'error', code: 'OFPHFC_EPERM', field: '', message })
  expect(genuine.connected).toBe(true)
})

test('a host process speaks for itself alone', async () => {
  const { controller, channelOf, said } = await start()
  const channel = await channelOf(await ours.issue('h1', { server: false }))
  const heard: Message[] = []
  const closed = new Promise<void>((resolve) => {
    const connection = new Connection(channel)
    connection.onMessage = (message) => heard.push(message)
    connection.onClose = resolve
    connection.send({ type: 'hostHello', version: 1, name: 'h3' })
  })
  await said(/refused: it says that it is h3, and its certificate is of 'h1'$/)
  await closed
  const message = "the controller refuses h3: the certificate is of 'h1'"
  expect(heard).toContainEqual({ type: 'error', code: 'OFPHFC_EPERM', field: '', message })
  expect(controller.switches().some(({ connected }) => connected)).toBe(false)
})

test('of two processes that speak for one host, the earlier is told of the later', async () => {
  const { channelOf } = await start()
  const credentials = await ours.issue('h1', { server: false })
  const speakAsHost = async () => {
    const connection = new Connection(await channelOf(credentials))
    const dismissed = new Promise<string>((resolve) => {
      connection.onMessage = (message) => {
        if (message.type === 'error') resolve(message.message)
      }
    })
    const closed = new Promise<void>((resolve) => {
      connection.onClose = resolve
    })
    connection.send({ type: 'hostHello', version: 1, name: 'h1' })
    return { dismissed, closed }
  }
  const first = await speakAsHost()
  await speakAsHost()
  expect(await first.dismissed).toMatch(/^another process speaks for h1 now, from ssl:127\.0\.0\.1:\d+$/)
  await first.closed
})

test('whoever speaks nonsense is hung up on, and the log says why, and the address once', async () => {
  const { channelOf, said, log } = await start()
  const channel = await channelOf(await ours.issue('h1', { server: false }))
  channel.send(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'))
  await said(/closed/)
  const why = /^the connection with ssl:127\.0\.0\.1:\d+ closed: what it says can not be read: ./
  expect(log).toEqual([expect.stringMatching(why)])
})

test.each([
  ['that has expired', () => ours.issue('h1', {}, 5), /^ssl:127\.0\.0\.1:\d+: refused: its certificate has expired$/],
  [
    'of another authority',
    () => others.issue('h1'),
    /^ssl:127\.0\.0\.1:\d+: refused: its certificate is not of our authority$/,
  ],
] as const)('a certificate %s is refused, and others are let in meanwhile', async (_, issue, refusal) => {
  const { controller, dialAs, said, log } = await start()
  // The stranger trusts our authority; it is we who do not trust the stranger.
  const credentials = { ...(await issue()), caCertificate: ours.caCertificate }
  const stranger = await dialAs('h1/br-int', credentials).catch(() => undefined)
  await said(refusal)
  await dialAs('h2/br-int', await ours.issue('h2'))
  await inSync(controller, 'h2/br-int')
  await hungUp(stranger)
  expect(log.filter((line) => refusal.test(line))).toHaveLength(1)
  expect(controller.switches().filter(({ connected }) => connected)).toHaveLength(1)
})

test.each([
  ['that has expired', () => ours.issue('controller', {}, 5), /expired/],
  ['of another authority', () => others.issue('controller'), /self.signed|issuer|verify/],
  ['of a host, which may only dial', () => ours.issue('h2', { server: false }), /purpose/],
] as const)('a controller with a certificate %s is not spoken to', async (_, issue, why) => {
  const credentials = await issue()
  const at = { kind: 'ssl', passive: true, host: '127.0.0.1', port: 0 } as const
  const listener = await listen(at, credentials, () => {})
  closing.push(() => listener.close())
  await expect(dial({ ...listener.endpoint, passive: false }, files, never)).rejects.toThrow(why)
})

test('no write waits for somebody who says nothing', async () => {
  const { controller, channelOf } = await start()
  await channelOf(await ours.issue('h1'))
  await controller.apply({ ...threeHosts(), name: 'changed' })
  expect(controller.topology.name).toBe('changed')
})
