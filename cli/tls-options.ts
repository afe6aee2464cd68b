import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Log } from '../runtime/log.ts'
import type { TlsFiles } from '../runtime/sockets.ts'

export interface TlsFlags {
  privateKey?: string
  certificate?: string
  caCert?: string
}

/** Adds the options that name a key, its certificate and the authority's. */
export const withTlsOptions = (command: Command, use: string): Command =>
  command
    .option('--private-key <file>', `for ${use}: the own key (PEM)`)
    .option('--certificate <file>', `for ${use}: the certificate of that key (PEM)`)
    .option('--ca-cert <file>', `for ${use}: the certificate of whoever signed those of others (PEM)`)

/** Undefined where one of the three is missing. */
export function tlsFilesOf({ privateKey, certificate, caCert }: TlsFlags): TlsFiles | undefined {
  if (privateKey === undefined || certificate === undefined || caCert === undefined) return undefined
  return { privateKey, certificate, caCertificate: caCert }
}

const A_DAY = 86_400_000
const DAYS_TO_RENEW = 30

/** Says so where the certificate has expired, or soon will. @throws Error where it can not be read */
export function warnOfExpiry(certificate: string, log: Log): void {
  const { validTo } = new X509Certificate(readFileSync(certificate))
  const days = Math.floor((Date.parse(validTo) - Date.now()) / A_DAY)
  if (days < 0) log.warn({}, `${certificate} expired on ${validTo}: the others will refuse it`)
  else if (days < DAYS_TO_RENEW) log.warn({}, `${certificate} expires on ${validTo}, in ${days} days`)
}
