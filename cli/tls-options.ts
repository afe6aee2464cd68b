import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { TlsFiles } from '../runtime/sockets.ts'
import { systemReason } from './failure.ts'

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

/** Undefined where one of the three is missing. @throws Error that names option and file, where one is not what it should be */
export function tlsFilesOf({ privateKey, certificate, caCert }: TlsFlags): TlsFiles | undefined {
  if (privateKey === undefined || certificate === undefined || caCert === undefined) return undefined
  readKeyPair(['--private-key', privateKey], ['--certificate', certificate])
  readCertificate(['--ca-cert', caCert])
  return { privateKey, certificate, caCertificate: caCert }
}

/** An option, and the file that was given for it. */
export type NamedFile = readonly [option: string, file: string]

/** Both PEM. @throws Error that names option and file, where one is not what it should be, or they do not belong together */
export function readKeyPair(privateKey: NamedFile, certificate: NamedFile): { key: Buffer; cert: Buffer } {
  const key = read(privateKey, 'private key without a passphrase', createPrivateKey)
  const cert = read(certificate, 'certificate', parseCertificate)
  if (!cert.parsed.checkPrivateKey(key.parsed))
    throw new Error(`${privateKey.join(' ')} is not the key of ${certificate.join(' ')}`)
  return { key: key.content, cert: cert.content }
}

/** PEM. @throws Error that names option and file, where there is none in it */
export const readCertificate = (file: NamedFile): Buffer => read(file, 'certificate', parseCertificate).content

/** The constructor alone would take DER, too, which TLS does not. */
function parseCertificate(content: Buffer): X509Certificate {
  if (!content.includes('-----BEGIN')) throw new Error('not PEM')
  return new X509Certificate(content)
}

function read<T>(named: NamedFile, what: string, parse: (content: Buffer) => T): { content: Buffer; parsed: T } {
  const content = contentOf(named)
  try {
    return { content, parsed: parse(content) }
  } catch (error) {
    throw new Error(`${named.join(' ')}: there is no ${what} (PEM) in it`, { cause: error })
  }
}

function contentOf(named: NamedFile): Buffer {
  try {
    return readFileSync(named[1])
  } catch (error) {
    throw new Error(`${named.join(' ')}: ${systemReason(error as NodeJS.ErrnoException)}`, { cause: error })
  }
}
