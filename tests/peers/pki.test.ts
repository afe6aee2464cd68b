// `signalbox pki` as openssl sees it, and its certificates between openssl and a switch of ours. Needs the Debian package openssl.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/run-cli.ts'
import { isInstalled } from './support/foreign-controller.ts'

const run = promisify(execFile)

describe.runIf(isInstalled('openssl'))('certificates of signalbox pki', () => {
  let folder = ''
  const file = (name: string) => join(folder, name)
  const verify = (purpose: string, name: string, authority = 'cacert.pem') =>
    run('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', file(authority), file(name)])

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'signalbox-pki-'))
    for (const words of [['init'], ['controller', 'ctl', '--san', '127.0.0.1'], ['host', 'h1'], ['client']])
      await runHere('pki', ...words, '--dir', folder)
    await runHere('pki', 'init', '--dir', file('other'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each([
    ['ctl', ['sslserver', 'sslclient'], []],
    ['h1', ['sslclient'], ['sslserver']],
    ['client', ['sslclient'], ['sslserver']],
  ])('%s is good for %j and not for %j', async (name, good, bad) => {
    for (const purpose of good) {
      const { stdout } = await verify(purpose, `${name}-cert.pem`)
      expect(stdout).toContain(': OK')
    }
    for (const purpose of bad) await expect(verify(purpose, `${name}-cert.pem`)).rejects.toThrow(/purpose/)
    await expect(verify('any', `${name}-cert.pem`, 'other/cacert.pem')).rejects.toThrow(
      /unable to get|verification failed/,
    )
  })

  test('keys belong to their certificates, and are on P-256', async () => {
    for (const name of ['ctl', 'h1', 'client']) {
      const key = await run('openssl', ['pkey', '-in', file(`${name}-privkey.pem`), '-pubout'])
      const certificate = await run('openssl', ['x509', '-in', file(`${name}-cert.pem`), '-noout', '-pubkey'])
      expect(certificate.stdout).toBe(key.stdout)
      const text = await run('openssl', ['x509', '-in', file(`${name}-cert.pem`), '-noout', '-text'])
      expect(text.stdout).toContain('NIST CURVE: P-256')
    }
  })
})
