// A host may only speak for itself: what is said over TLS is held against the name in the speaker's certificate.

import type { Channel } from '../../runtime/transport.ts'

/** Somebody says to be what the certificate does not say. */
export class Impostor extends Error {
  constructor(claimed: string, shown: string) {
    super(`refused: it says that it is ${claimed}, and its certificate ${shown}`)
    this.name = 'Impostor'
  }
}

/**
 * Checks that whoever is at the other end may speak for each of `claims`: a host (`h1`), or a switch of it (`h1/br-int`). Who may
 * is no newcomer any more; who may not is dismissed, and told why. Without TLS there is nothing to hold claims against, and everybody may.
 * @throws Impostor
 */
export function checkIdentity(channel: Channel, claims: readonly string[], dismiss: (why: string) => void): void {
  const { certificateName } = channel
  const untrue = certificateName === undefined ? undefined : claims.find((claim) => hostOf(claim) !== certificateName)
  if (untrue === undefined) return channel.known?.()
  const shown = certificateName ? `is of '${certificateName}'` : 'names nobody'
  dismiss(`the controller refuses ${untrue}: the certificate ${shown}`)
  throw new Impostor(untrue, shown)
}

const hostOf = (claim: string) => claim.split('/')[0]
