import type { Command } from 'commander'
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
