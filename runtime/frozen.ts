// What nobody can change any more may be had by many, and what is made of it may be kept for as long as it is there.

/** The value itself, frozen with all that is in it but bytes. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const part of Object.values(value)) frozen(part)
  return Object.freeze(value)
}

/** The same function, which is asked only once for an object that is frozen. */
export function onceIfFrozen<From extends object, Made>(make: (from: From) => Made): (from: From) => Made {
  const kept = new WeakMap<From, Made>()
  return (from) => {
    const before = kept.get(from)
    if (before !== undefined) return before
    const made = make(from)
    if (Object.isFrozen(from)) kept.set(from, made)
    return made
  }
}
