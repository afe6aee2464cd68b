interface Remembered<T> {
  readonly inputs: readonly unknown[]
  readonly value: T
}

/**
 * What was made of things, for as long as nothing changes of what it was made of. Most of the plan is the same on many
 * switches and after most changes: it is made once, and the same object is known at a glance to be the same.
 */
export class Memory<T> {
  readonly #bySubject = new WeakMap<object, Map<string, Remembered<T>>>()

  /** What `make` gave last for this subject at this place, if that was of the same inputs; else what it gives now. */
  recall(subject: object, place: string, inputs: readonly unknown[], make: () => T): T {
    const places = this.#bySubject.get(subject) ?? new Map<string, Remembered<T>>()
    const before = places.get(place)
    if (before?.inputs.every((input, index) => input === inputs[index])) return before.value
    const value = make()
    places.set(place, { inputs, value })
    this.#bySubject.set(subject, places)
    return value
  }
}
