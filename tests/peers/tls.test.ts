// TLS and Unix sockets, with Open vSwitch's own tools at the other end. Needs the Debian packages openvswitch-switch,
// openvswitch-testcontroller and openssl.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { ForeignController, isInstalled } from './support/foreign-controller.ts'
import { RunningSwitch } from './support/switch-run.ts'

const run = promisify(execFile)
const FRAME = udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

let directory = ''
const file = (name: string) => join(directory, name)

async function makeAuthority(name: string): Promise<void> {
  const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)]
  await run('openssl', ['req', '-x509', ...EC_KEY, ...files, '-days', '2', '-subj', `/CN=${name}`])
}

async function makeCertificate(name: string, authority: string): Promise<void> {
  const request = file(`${name}.csr`)
  await run('openssl', ['req', ...EC_KEY, '-keyout', file(`${name}.key`), '-out', request, '-subj', `/CN=${name}`])
  const signer = ['-CA', file(`${authority}.pem`), '-CAkey', file(`${authority}.key`), '-CAcreateserial']
  await run('openssl', ['x509', '-req', '-in', request, ...signer, '-out', file(`${name}.pem`), '-days', '2'])
}

/** Options of Open vSwitch's tools; ours has the same words. */
const credentials = (name: string, authority: string) => [
  `--private-key=${file(`${name}.key`)}`,
  `--certificate=${file(`${name}.pem`)}`,
  `--ca-cert=${file(`${authority}.pem`)}`,
]

const ofctl = (...words: string[]) => run('ovs-ofctl', ['-O', 'OpenFlow13', '--timeout=20', ...words])

const canRun = ['ovs-ofctl', 'ovs-testcontroller', 'ovs-appctl', 'openssl'].every(isInstalled)

describe.runIf(canRun)('over TLS and Unix sockets', () => {
  let ours: RunningSwitch
  let stranger: ForeignController
  let friend: ForeignController

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-tls-'))
    for (const authority of ['ours', 'others']) await makeAuthority(authority)
    await makeCertificate('switch', 'ours')
    await makeCertificate('controller', 'ours')
    await makeCertificate('stranger', 'others')
    friend = await ForeignController.ovs(['--hub', ...credentials('controller', 'ours')], 'pssl')
    stranger = await ForeignController.ovs(['--hub', ...credentials('stranger', 'ours')], 'pssl')
    const listen = ['--listen', 'pssl:0:127.0.0.1', '--listen', `punix:${file('socket')}`]
    const dial = [friend, stranger].flatMap(({ port }) => ['--controller', `ssl:127.0.0.1:${port}`])
    ours = await RunningSwitch.start({ ports: 2, words: [...listen, ...dial, ...credentials('switch', 'ours')] })
  })
  afterAll(async () => {
    await Promise.all([ours?.stop(), friend?.stop(), stranger?.stop()])
    rmSync(directory, { recursive: true, force: true })
  })

  const overTls = () => ours.targets.find((target) => target.startsWith('ssl:')) ?? ''

  test('ovs-ofctl with a certificate of our authority is answered', async () => {
    const { stdout } = await ofctl(...credentials('controller', 'ours'), 'dump-desc', overTls())
    expect(stdout).toContain('Signalbox')
  })

  test('ovs-ofctl with one of another authority is refused', async () => {
    await expect(ofctl(...credentials('stranger', 'ours'), 'dump-desc', overTls())).rejects.toThrow(/failed to connect/)
  })

  test('ovs-ofctl that trusts another authority refuses us', async () => {
    await expect(ofctl(...credentials('controller', 'others'), 'dump-desc', overTls())).rejects.toThrow(
      /certificate verify failed/,
    )
  })

  test('a controller that we dial is heard where its certificate is of our authority, and never else', async () => {
    let heard: string[] = []
    for (let attempt = 0; attempt < 20 && heard.length === 0; attempt++) {
      await ours.send(1, FRAME)
      heard = await ours.received(1)
    }
    expect(heard[0]).toBe(`2: ${Buffer.from(FRAME).toString('hex')}`)
    expect(ours.said).toContain(`ssl:127.0.0.1:${friend.port}: connected`)
    expect(ours.said).toMatch(new RegExp(`ssl:127\\.0\\.0\\.1:${stranger.port}: .*certificate`))
    expect(ours.said).not.toContain(`ssl:127.0.0.1:${stranger.port}: connected`)
  })

  test('a Unix socket takes ovs-ofctl and ovs-appctl', async () => {
    const { stdout } = await ofctl('dump-desc', `unix:${file('socket')}`)
    expect(stdout).toContain('Signalbox')
    const addresses = await run('ovs-appctl', ['-t', file('socket'), 'fdb/show', 'br0'])
    expect(addresses.stdout).toMatch(/^ port {2}VLAN {2}MAC {16}Age$/m)
    await expect(run('ovs-appctl', ['-t', file('socket'), 'fdb/show', 'br1'])).rejects.toThrow(/br1/)
  })
})
