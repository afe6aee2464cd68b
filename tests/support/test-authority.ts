// An authority for tests, with certificates in a folder of its own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials, Subject } from '../../runtime/certificates.ts'
import { makeAuthority, makeCertificate } from '../../runtime/certificates.ts'
import type { TlsFiles } from '../../runtime/sockets.ts'

const DAY = 86_400_000
const LOOPBACK = { type: 'ip', value: '127.0.0.1' } as const

export class TestAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), 'signalbox-pki-'))
  readonly #credentials: Credentials

  private constructor(credentials: Credentials) {
    this.#credentials = credentials
    writeFileSync(this.caCertificate, credentials.certificate)
  }

  static async make(): Promise<TestAuthority> {
    return new TestAuthority(await makeAuthority('Test', { now: Date.now(), days: 30 }))
  }

  get caCertificate(): string {
    return join(this.folder, 'ca.pem')
  }

  /** A certificate that was made so many days ago, for two days. */
  async issue(name: string, subject: Partial<Subject> = {}, daysAgo = 0): Promise<TlsFiles> {
    const made = await makeCertificate(
      this.#credentials,
      { name, server: true, alternatives: [LOOPBACK], ...subject },
      { now: Date.now() - daysAgo * DAY, days: 2 },
    )
    const at = join(this.folder, `${name}-${daysAgo}-${subject.server ?? true}`)
    writeFileSync(`${at}.key`, made.privateKey)
    writeFileSync(`${at}.pem`, made.certificate)
    return { privateKey: `${at}.key`, certificate: `${at}.pem`, caCertificate: this.caCertificate }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
