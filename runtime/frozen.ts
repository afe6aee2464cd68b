// What nobody can change any more may be had by many, and what is made of it may be kept for as long as it is there.

/** The value itself, frozen with all that is in it but bytes. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const part of Object.values(value)) frozen(part)
  return Object.freeze(value)
}
