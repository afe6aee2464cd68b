// Keys and certificates of a program that stays: read again when their files change, or when it is told SIGHUP. New ones are for new
// connections; those that are there keep what they have shown.

import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import type { Log } from '../runtime/log.ts'
import type { TlsCredentials, TlsSource } from '../runtime/sockets.ts'
import { type NamedFile, readCertificate, readKeyPair, type TlsFlags } from './tls-options.ts'

export interface CertificateFiles {
  key: NamedFile
  certificate: NamedFile
  /** Who has signed those of others. */
  authority?: NamedFile
}

const A_DAY = 86_400_000
const DAYS_TO_RENEW = 30
/** How often the files are looked at, in milliseconds. */
const INTERVAL = 2000

export class Certificates implements TlsSource {
  /** As they were when all of them were right. */
  current: TlsCredentials
  readonly #files: CertificateFiles
  readonly #log: Log
  readonly #listeners = new Set<() => void>()
  readonly #timer: NodeJS.Timeout
  readonly #reread = () => this.reread()
  /** Of the files that were read last, and of those that were seen last. */
  #read: string
  #seen: string
  #warnedAt = 0

  /** @throws Error that names option and file, where one is not what it should be */
  constructor(files: CertificateFiles, log: Log) {
    this.#files = files
    this.#log = log
    this.#read = this.#seen = this.#look()
    this.current = credentialsIn(files)
    this.#warnOfExpiry()
    this.#timer = setInterval(() => this.check(), INTERVAL).unref()
    process.on('SIGHUP', this.#reread)
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#timer)
    process.off('SIGHUP', this.#reread)
  }

  /** Reads files that have changed, once they have not changed since it was last asked: a key and its certificate come one by one. */
  check(): void {
    if (Date.now() - this.#warnedAt > A_DAY) this.#warnOfExpiry()
    const before = this.#seen
    this.#seen = this.#look()
    if (this.#seen === before && this.#seen !== this.#read) this.reread()
  }

  /** Where one is not what it should be, the log says so, and those from before stay. */
  reread(): void {
    this.#read = this.#look()
    const file = this.#files.certificate[1]
    try {
      this.current = credentialsIn(this.#files)
    } catch (error) {
      this.#log.error({}, `${(error as Error).message}; what was read before stays in use`)
      return
    }
    const { subject, validTo } = new X509Certificate(this.current.cert)
    this.#log.info({}, `${file} has been read again: it is of ${subject}, and expires on ${validTo}`)
    this.#warnOfExpiry()
    for (const listener of this.#listeners) listener()
  }

  #warnOfExpiry(): void {
    this.#warnedAt = Date.now()
    for (const [file, { validTo }] of this.all()) {
      const days = Math.floor(daysLeft(validTo))
      if (days < 0) this.#log.warn({}, `${file} expired on ${validTo}: the others will refuse it`)
      else if (days < DAYS_TO_RENEW) this.#log.warn({}, `${file} expires on ${validTo}, in ${days} days`)
    }
  }

  /** Those that are in use. */
  all(): [file: string, X509Certificate][] {
    const { certificate, authority } = this.#files
    const { cert, ca } = this.current
    const own: [string, X509Certificate] = [certificate[1], new X509Certificate(cert)]
    return authority === undefined || ca === undefined ? [own] : [own, [authority[1], new X509Certificate(ca)]]
  }

  #look(): string {
    const { key, certificate, authority } = this.#files
    return [key, certificate, authority].map((named) => (named === undefined ? '' : versionOf(named[1]))).join()
  }
}

const METRIC = 'signalbox_certificate_days_left'

/** Days that are left of each, in Prometheus' text format. */
export function metricsOfCertificates(certificates: readonly (readonly [file: string, X509Certificate])[]): string {
  const days = new Map(certificates.map(([file, { validTo }]) => [file, daysLeft(validTo)]))
  const lines = [...days].map(([file, left]) => `${METRIC}{file=${JSON.stringify(file)}} ${left.toFixed(2)}`)
  return [`# HELP ${METRIC} Days until a certificate expires.`, `# TYPE ${METRIC} gauge`, ...lines, ''].join('\n')
}

const daysLeft = (validTo: string): number => (Date.parse(validTo) - Date.now()) / A_DAY

function versionOf(file: string): string {
  const seen = statSync(file, { bigint: true, throwIfNoEntry: false })
  return seen === undefined ? 'none' : [seen.ino, seen.size, seen.mtimeNs, seen.ctimeNs].join(' ')
}

function credentialsIn({ key, certificate, authority }: CertificateFiles): TlsCredentials {
  const pair = readKeyPair(key, certificate)
  return authority === undefined ? pair : { ...pair, ca: readCertificate(authority) }
}

/** For connections with hosts and controllers. Undefined where one of the three files is missing. @throws as `Certificates` */
export function certificatesOf({ privateKey, certificate, caCert }: TlsFlags, log: Log): Certificates | undefined {
  if (privateKey === undefined || certificate === undefined || caCert === undefined) return undefined
  const files: CertificateFiles = {
    key: ['--private-key', privateKey],
    certificate: ['--certificate', certificate],
    authority: ['--ca-cert', caCert],
  }
  return new Certificates(files, log)
}
