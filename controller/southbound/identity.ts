// A host may only speak for itself: what is said over TLS is held against the name in the speaker's certificate.

import type { Channel } from '../../runtime/transport.ts'

/** Somebody says to be what the certificate does not say. */
export class Impostor extends Error {
  constructor(claimed: string, certificateName: string) {
    const shown = certificateName === '' ? 'names nobody' : `is of '${certificateName}'`
    super(`refused: it says that it is ${claimed}, and its certificate ${shown}`)
    this.name = 'Impostor'
  }
}

/**
 * Checks that whoever is at the other end may speak for each of `claims`: a host (`h1`), or a switch of it (`h1/br-int`). Who may
 * is no newcomer any more; who may not is hung up on. Without TLS there is nothing to hold claims against, and everybody may.
 * @throws Impostor
 */
export function checkIdentity(channel: Channel, claims: readonly string[]): void {
  const { certificateName } = channel
  const untrue = certificateName === undefined ? undefined : claims.find((claim) => hostOf(claim) !== certificateName)
  if (untrue === undefined) return channel.known?.()
  channel.close()
  throw new Impostor(untrue, certificateName ?? '')
}

const hostOf = (claim: string) => claim.split('/')[0]
