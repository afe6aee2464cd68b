// The part of the reflect-metadata proposal that @peculiar/x509 asks for (through tsyringe, its container): facts about classes,
// by key. It wants them on the global object, and there before it is loaded itself.

const factsOf = new WeakMap<object, Map<unknown, unknown>>()

const getOwnMetadata = (key: unknown, target: object): unknown => factsOf.get(target)?.get(key)

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const facts = factsOf.get(target) ?? new Map<unknown, unknown>()
  factsOf.set(target, facts.set(key, value))
}

/** Of the class, or of one that it extends. */
function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null)
    if (factsOf.get(at)?.has(key)) return getOwnMetadata(key, at)
  return undefined
}

// Whoever brought the whole of it keeps it.
if (!('getMetadata' in Reflect)) Object.assign(Reflect, { defineMetadata, getMetadata, getOwnMetadata })
