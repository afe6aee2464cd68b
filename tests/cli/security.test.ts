// Keys, tokens and the client verbs that show them.

import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ApiFlags } from '../../cli/api-server.ts'
import { apiTerms } from '../../cli/api-server.ts'
import { startLiveLab, type LiveLab } from '../support/live-lab.ts'
import { runHere } from '../support/run-cli.ts'
import { testLog, type TestLog } from '../support/test-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-security-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const modeOf = (file: string) => statSync(file).mode & 0o777

describe('pki', () => {
  const pki = (...words: string[]) => runHere('pki', ...words, '--dir', join(folder, 'pki'))
  const certificateOf = (name: string) => new X509Certificate(readFileSync(join(folder, 'pki', name)))

  test('makes an authority whose key only the owner reads, and certificates of it', async () => {
    expect((await pki('init')).code).toBe(0)
    expect((await pki('controller', 'ctl', '--san', '192.0.2.1', 'ctl.example')).code).toBe(0)
    expect((await pki('host', 'h1', '--days', '10')).code).toBe(0)
    expect((await pki('client')).code).toBe(0)
    for (const key of ['cakey.pem', 'ctl-privkey.pem', 'h1-privkey.pem', 'client-privkey.pem'])
      expect(modeOf(join(folder, 'pki', key))).toBe(0o600)
    const authority = certificateOf('cacert.pem')
    for (const name of ['ctl', 'h1', 'client']) {
      const certificate = certificateOf(`${name}-cert.pem`)
      expect(certificate.subject).toBe(`CN=${name}`)
      expect(certificate.subjectAltName).toContain(`DNS:${name}`)
      expect(certificate.verify(authority.publicKey)).toBe(true)
      expect(certificate.checkIssued(authority)).toBe(true)
    }
    expect(certificateOf('ctl-cert.pem').subjectAltName).toBe('DNS:ctl, IP Address:192.0.2.1, DNS:ctl.example')
    const { stdout } = await pki('show')
    expect(stdout).toMatch(/^h1-cert\.pem +h1 +dials +expires \d{4}-\d\d-\d\d, in (9|10) days$/m)
    expect(stdout).toMatch(/^ctl-cert\.pem +ctl +dials and is dialled +expires/m)
    expect(stdout).toMatch(/^cacert\.pem .* signs +expires/m)
  })

  test('replaces nothing unless it is forced to', async () => {
    await pki('init')
    await pki('host', 'h1')
    const before = certificateOf('h1-cert.pem').serialNumber
    for (const words of [['init'], ['host', 'h1'], ['client', 'h1']]) {
      const { code, stderr } = await pki(...words)
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('is there already; --force') })
    }
    expect(certificateOf('h1-cert.pem').serialNumber).toBe(before)
    expect((await pki('host', 'h1', '--force')).code).toBe(0)
    expect(certificateOf('h1-cert.pem').serialNumber).not.toBe(before)
  })

  test.each([
    [['host', 'h1'], /cakey\.pem is not there; `signalbox pki init`/],
    [['host', '../h1'], /can not be the name on a certificate/],
    [['controller', 'ctl', '--san', 'no name'], /a name or an address/],
    [['init', '--days', '0'], /a number of days/],
    [['show'], /pki is not there; `signalbox pki init`/],
  ])('%j is refused in words', async (words, why) => {
    const { code, stderr } = await pki(...words)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(why) })
  })
})

test('a file that is not what TLS needs is named with its option, before anybody is dialled', async () => {
  const at = (name: string) => join(folder, name)
  for (const words of [['init'], ['host', 'h1'], ['host', 'h2']]) await runHere('pki', ...words, '--dir', folder)
  writeFileSync(at('nonsense'), 'nonsense')
  const h1 = [at('h1-privkey.pem'), at('h1-cert.pem'), at('cacert.pem')] as const
  for (const [[key, certificate, authority], why] of [
    [[at('none'), h1[1], h1[2]], `--private-key ${at('none')}: no such file`],
    [[at('nonsense'), h1[1], h1[2]], `--private-key ${at('nonsense')}: there is no private key`],
    [[h1[0], folder, h1[2]], `--certificate ${folder}: is a folder`],
    [[h1[0], h1[0], h1[2]], `--certificate ${h1[0]}: there is no certificate`],
    [[h1[0], at('h2-cert.pem'), h1[2]], `--private-key ${h1[0]} is not the key of --certificate ${at('h2-cert.pem')}`],
    [[h1[0], h1[1], at('nonsense')], `--ca-cert ${at('nonsense')}: there is no certificate`],
  ] as const) {
    const files = ['--private-key', key, '--certificate', certificate, '--ca-cert', authority]
    const { code, stderr } = await runHere('host', 'h1', '--controller', 'ssl:127.0.0.1:1', ...files)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(why) })
  }
  const client = await runHere('vm', 'list', '--api', 'https://127.0.0.1:1', '--ca-cert', at('nonsense'))
  expect(client).toMatchObject({ code: 2, stderr: expect.stringContaining('--ca-cert') })
})

describe('token', () => {
  const file = () => join(folder, 'tokens.json')
  const token = (...words: string[]) => runHere('token', ...words, '--tokens', file())

  test('prints a token once, and keeps only its hash, where only the owner reads it', async () => {
    const { stdout } = await token('add', 'ada', '--role', 'admin')
    expect(stdout).toMatch(/^sbx_[\w-]{43}\n$/)
    expect(readFileSync(file(), 'utf8')).not.toContain(stdout.trim())
    expect(modeOf(file())).toBe(0o600)
    await token('add', 'vic', '--role', 'viewer', '--expires', '30d')
    const list = await token('list')
    expect(list.stdout).toMatch(/^ada {2}admin\nvic {2}viewer {2}expires \d{4}-/)
    chmodSync(file(), 0o640)
    expect((await token('remove', 'ada')).code).toBe(0)
    expect(modeOf(file())).toBe(0o640)
    expect((await token('list')).stdout).not.toContain('ada')
    expect(existsSync(`${file()}.new`)).toBe(false)
  })

  test('refuses what would be two of one name, nobody, no role, or at the same time as another', async () => {
    await token('add', 'ada', '--role', 'admin')
    const before = readFileSync(file(), 'utf8')
    for (const [words, why] of [
      [['add', 'ada', '--role', 'viewer'], /'ada' has a token already/],
      [['add', 'eve', '--role', 'root'], /Allowed choices are viewer, operator, admin/],
      [['add', 'eve'], /--role/],
      [['add', 'eve', '--role', 'viewer', '--expires', 'soon'], /expected a time, as 30d/],
      [['remove', 'eve'], /nobody is named 'eve'; there is ada/],
    ] as const) {
      const { code, stderr } = await token(...words)
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(why) })
    }
    writeFileSync(`${file()}.new`, '')
    expect((await token('add', 'eve', '--role', 'viewer')).stderr).toMatch(/somebody else changes/)
    expect(readFileSync(file(), 'utf8')).toBe(before)
  })
})

describe('the API of a program', () => {
  let place: string
  let live: LiveLab
  let log: TestLog
  let api: string
  const tokens = () => join(place, 'tokens.json')
  const at = (name: string) => join(place, name)

  async function makeToken(name: string, role: string): Promise<string> {
    return (await runHere('token', 'add', name, '--role', role, '--tokens', tokens())).stdout.trim()
  }

  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'signalbox-api-'))
    for (const words of [['init'], ['controller', 'ctl', '--san', '127.0.0.1']])
      await runHere('pki', ...words, '--dir', place)
    await makeToken('first', 'viewer')
    log = await testLog()
    const flags: ApiFlags = {
      auth: true,
      tokens: tokens(),
      rateLimit: 1000,
      apiPrivateKey: at('ctl-privkey.pem'),
      apiCertificate: at('ctl-cert.pem'),
    }
    live = await startLiveLab(await apiTerms('0.0.0.0', flags, log))
    await live.api.listen({ host: '127.0.0.1', port: 0 })
    api = `https://127.0.0.1:${(live.api.server.address() as AddressInfo).port}`
  })
  afterEach(() => delete process.env['SIGNALBOX_TOKEN'])
  afterAll(async () => {
    await live.stop()
    rmSync(place, { recursive: true })
  })

  const add = (token: string | undefined, ...words: string[]) => {
    if (token !== undefined) process.env['SIGNALBOX_TOKEN'] = token
    return runHere(
      'flow',
      'add',
      'h1',
      'priority=3,actions=drop',
      '--api',
      api,
      '--ca-cert',
      at('cacert.pem'),
      ...words,
    )
  }

  test('takes the token of the environment, from the moment that it is in the file until it is taken out', async () => {
    const token = await makeToken('olga', 'operator')
    expect(await add(token)).toMatchObject({ code: 0 })
    await runHere('token', 'remove', 'olga', '--tokens', tokens())
    expect(await add(token)).toMatchObject({ code: 2, stderr: 'signalbox: nobody has this token\n' })
    expect(await add('')).toMatchObject({ code: 2, stderr: expect.stringContaining('SIGNALBOX_TOKEN') })
    const weak = await makeToken('vic', 'viewer')
    expect(await add(weak)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs the role operator') })
  })

  test('warns of a file that is open to others; one that is damaged lets nobody in', async () => {
    const token = await makeToken('otto', 'operator')
    chmodSync(tokens(), 0o644)
    expect(await add(token)).toMatchObject({ code: 0 })
    expect(log.lines.join('')).toContain('is open to others (mode 644)')
    const before = readFileSync(tokens())
    writeFileSync(tokens(), '[')
    expect(await add(token)).toMatchObject({ code: 2 })
    expect(log.lines.join('')).toContain('no token is valid until that is mended')
    writeFileSync(tokens(), before)
    expect(await add(token)).toMatchObject({ code: 0 })
  })

  test('is not believed without its authority, and no token leaves in the clear', async () => {
    process.env['SIGNALBOX_TOKEN'] = 'sbx_secret'
    const stranger = await runHere('vm', 'list', '--api', api)
    expect(stranger).toMatchObject({ code: 2, stderr: expect.stringContaining('--ca-cert names the authority') })
    const clear = await runHere('vm', 'list', '--api', 'http://192.0.2.1:8080')
    expect(clear).toMatchObject({ code: 2, stderr: expect.stringContaining('for all to read') })
  })
})
