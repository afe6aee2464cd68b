/** What became of a write: done, not done, or nobody knows. */
export type Fate = 'done' | 'refused' | 'unknown'

export class Api {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Undefined where nobody answers. */
  async get<T>(path: string): Promise<T | undefined> {
    try {
      const response = await fetch(`${this.#url}${path}`)
      return response.ok ? ((await response.json()) as T) : undefined
    } catch {
      return undefined
    }
  }

  /**
   * An answer of 4xx says that nothing was changed; one of 5xx, or none at all, says nothing. Of an answer of 2xx `isDone` may say that
   * it tells of nothing done.
   */
  async ask(method: string, path: string, body?: object, isDone = (_answer: unknown) => true): Promise<Fate> {
    const content = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    try {
      const response = await fetch(`${this.#url}${path}`, { method, ...content })
      if (!response.ok) return response.status < 500 ? 'refused' : 'unknown'
      return isDone(await response.json()) ? 'done' : 'refused'
    } catch {
      return 'unknown'
    }
  }
}
