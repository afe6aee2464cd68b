// What has been promised: every write that was acknowledged, and those of which nobody knows, because the answer never came.

export class Ledger<Key> {
  readonly #must = new Set<Key>()
  readonly #may = new Set<Key>()

  /** The answer to a write that makes `key` be there, or not. */
  answered(key: Key, isThere: boolean): void {
    this.#may.delete(key)
    if (isThere) this.#must.add(key)
    else this.#must.delete(key)
  }

  /** The write about `key` may have been done, or not. */
  unanswered(key: Key): void {
    this.#must.delete(key)
    this.#may.add(key)
  }

  get sure(): Key[] {
    return [...this.#must]
  }

  /** What is wrong with what there is. From then on that is what is known. */
  compare(actual: ReadonlySet<Key>): string[] {
    const lost = [...this.#must].filter((key) => !actual.has(key)).map((key) => `${String(key)} is lost`)
    const strange = [...actual].filter((key) => !this.#must.has(key) && !this.#may.has(key))
    this.#must.clear()
    this.#may.clear()
    for (const key of actual) this.#must.add(key)
    return [...lost, ...strange.map((key) => `${String(key)} came back`)]
  }
}
