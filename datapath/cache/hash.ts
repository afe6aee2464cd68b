// A multiplicative hash of words. It need not withstand anybody: sets and probes are bounded (microflows.ts, megaflows.ts).

export function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1)
  return product ^ (product >>> 15)
}

export function finished(hash: number): number {
  const product = Math.imul(hash, 0x85ebca6b)
  return product ^ (product >>> 13)
}
