// What is made of an object once, and kept for as long as the object is there.

/** The same function, which is asked once for each object: for what nobody alters. */
export const once = <From extends object, Made>(make: (from: From) => Made) => kept(make, () => true)

/** The same, of objects that may be altered unless they are frozen. */
export const onceIfFrozen = <From extends object, Made>(make: (from: From) => Made) => kept(make, Object.isFrozen)

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
