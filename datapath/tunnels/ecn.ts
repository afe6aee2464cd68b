/** The bits of the traffic class that are ECN's: RFC 3168 §5. */
export const ECN_MASK = 3

const NOT_CAPABLE = 0
const CAPABLE_1 = 1
const CAPABLE_0 = 2
const CONGESTED = 3

/**
 * RFC 6040 §4.2, figure 4: the ECN field of a packet that leaves a tunnel, from its own and that of the outer header; -1 where
 * it must be dropped, because it met congestion and can not say so.
 */
export function combinedEcn(inner: number, outer: number): number {
  if (inner === NOT_CAPABLE) return outer === CONGESTED ? -1 : NOT_CAPABLE
  if (outer === CONGESTED) return CONGESTED
  return inner === CAPABLE_0 && outer === CAPABLE_1 ? CAPABLE_1 : inner
}
