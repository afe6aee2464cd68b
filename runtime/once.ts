// What is made of an object once, and kept for as long as the object is there.

/** The same function, which is asked once for each object: for what nobody alters. */
export const once = <From extends object, Made>(make: (from: From) => Made) => kept(make, () => true)

/** The same, of objects that may be altered unless they are frozen. */
export const onceIfFrozen = <From extends object, Made>(make: (from: From) => Made) => kept(make, Object.isFrozen)

/** What comes of an object and of those before it: the last of each, for as long as the object is there. It does not keep those before. */
export function onceSince<Now extends object, Before extends readonly object[], Made>(
  make: (now: Now, ...before: Before) => Made,
) {
  const known = new WeakMap<Now, { before: readonly WeakRef<object>[]; made: Made }>()
  return (now: Now, ...before: Before): Made => {
    const last = known.get(now)
    if (last !== undefined && areThose(last.before, before)) return last.made
    const made = make(now, ...before)
    known.set(now, { before: before.map((one) => new WeakRef(one)), made })
    return made
  }
}

function areThose(some: readonly WeakRef<object>[], those: readonly object[]): boolean {
  for (let index = 0; index < some.length; index++) if (some[index]!.deref() !== those[index]) return false
  return true
}

function kept<From extends object, Made>(make: (from: From) => Made, isKept: (from: From) => boolean) {
  const known = new WeakMap<From, Made>()
  return (from: From): Made => {
    const before = known.get(from)
    if (before !== undefined) return before
    const made = make(from)
    if (isKept(from)) known.set(from, made)
    return made
  }
}
