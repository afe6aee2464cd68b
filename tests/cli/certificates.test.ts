// Keys and certificates that are replaced while a program runs.

import { X509Certificate } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Certificates, certificatesOf, metricsOfCertificates } from '../../cli/certificates.ts'
import { httpServer, HTTP_LIMITS } from '../../controller/api/http-server.ts'
import type { TlsFiles } from '../../runtime/sockets.ts'
import { dial, listen } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { testLog, type TestLog } from '../support/test-log.ts'

const never = new AbortController().signal

let authority: TestAuthority
let log: TestLog
let certificates: Certificates
const closing: (() => unknown)[] = []
beforeEach(async () => {
  authority = await TestAuthority.make()
  log = await testLog()
  use(await authority.issue('first'))
  const { at } = files()
  const flags = { privateKey: at('key.pem'), certificate: at('cert.pem'), caCert: authority.caCertificate }
  certificates = certificatesOf(flags, log)!
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  certificates.close()
  authority.remove()
})

const files = () => ({ at: (name: string) => join(authority.folder, name) })

/** Puts these in the place of those that are watched. */
function use({ privateKey, certificate }: Pick<TlsFiles, 'privateKey' | 'certificate'>): void {
  const { at } = files()
  copyFileSync(privateKey, at('key.pem'))
  copyFileSync(certificate, at('cert.pem'))
}

const said = () => log.lines.map((line) => (JSON.parse(line) as { level: string; msg: string }).msg)

/** The name on the certificate that is shown at the port to whoever comes now. */
async function shownAt(port: number, own: TlsFiles): Promise<string> {
  const [key, cert, ca] = [own.privateKey, own.certificate, own.caCertificate].map((file) => readFileSync(file))
  const socket = connect({ host: '127.0.0.1', port, key: key!, cert: cert!, ca: ca! })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

test('those who come are shown the new one, and those who are there stay', async () => {
  const own = await authority.issue('h1')
  const accepted: Channel[] = []
  const take = (channel: Channel) => {
    accepted.push(channel)
    channel.onData = (bytes) => channel.send(bytes)
  }
  const place = { kind: 'ssl', passive: true, host: '127.0.0.1', port: 0 } as const
  const listener = await listen(place, certificates, take)
  closing.push(() => listener.close())
  const { port } = listener.endpoint as { port: number }
  const web = httpServer(
    (_request, reply) => reply.end(),
    HTTP_LIMITS,
    certificates,
    () => {},
  )
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  closing.push(() => new Promise((resolve) => web.close(resolve)))
  const webPort = (web.address() as { port: number }).port
  const early = await dial({ ...place, passive: false, port }, own, never)
  closing.push(() => early.close(0))
  expect([await shownAt(port, own), await shownAt(webPort, own)]).toEqual(['first', 'first'])

  use(await authority.issue('second'))
  certificates.check()
  // Files that have just changed may change still.
  expect(await shownAt(port, own)).toBe('first')
  certificates.check()
  expect([await shownAt(port, own), await shownAt(webPort, own)]).toEqual(['second', 'second'])
  const echo = new Promise<string>((resolve) => {
    early.onData = (bytes) => resolve(Buffer.from(bytes).toString())
  })
  early.send(Buffer.from('still here'))
  expect(await echo).toBe('still here')
  expect(said().some((line) => /cert\.pem has been read again: it is of CN=second, and expires on /.test(line))).toBe(
    true,
  )

  // Who dials shows the new one, too.
  const dialled = await dial({ ...place, passive: false, port }, certificates, never)
  closing.push(() => dialled.close(0))
  const answered = new Promise<void>((resolve) => {
    dialled.onData = () => resolve()
  })
  dialled.send(Buffer.from('x'))
  await answered
  expect(accepted.at(-1)!.certificateName).toBe('second')
})

test.each([
  ['no certificate', (at: (name: string) => string) => writeFileSync(at('cert.pem'), 'nonsense'), 'no certificate'],
  ['half of a pair', (at: (name: string) => string) => copyFileSync(at('other.pem'), at('cert.pem')), 'is not the key'],
])('%s is refused with a line, and the one before stays until it is mended', async (_what, damage, why) => {
  const { at } = files()
  const other = await authority.issue('other')
  copyFileSync(other.certificate, at('other.pem'))
  const before = certificates.current
  damage(at)
  process.emit('SIGHUP')
  expect(certificates.current).toBe(before)
  expect(said().filter((line) => line.includes(why))).toEqual([
    expect.stringContaining('what was read before stays in use'),
  ])
  certificates.check()
  certificates.check()
  expect(said().filter((line) => line.includes(why))).toHaveLength(1)
  use(other)
  process.emit('SIGHUP')
  expect(new X509Certificate(certificates.current.cert).subject).toBe('CN=other')
})

test('one that expires soon is warned of, and how many days each has left is a metric', () => {
  const { at } = files()
  expect(said()).toContainEqual(expect.stringMatching(/cert\.pem expires on .*, in 1 days/))
  const text = metricsOfCertificates(certificates.all())
  const left = (file: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.includes(`{file="${file}"}`))!
        .split(' ')[1],
    )
  expect(Math.round(left(at('cert.pem')))).toBe(2)
  expect(Math.round(left(authority.caCertificate))).toBe(30)
})
