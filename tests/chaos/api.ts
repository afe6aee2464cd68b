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

  /** An answer of 4xx says that nothing was changed; one of 5xx, or none at all, says nothing. */
  async ask(method: string, path: string, body?: object): Promise<Fate> {
    const content = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    try {
      const { ok, status } = await fetch(`${this.#url}${path}`, { method, ...content })
      return ok ? 'done' : status < 500 ? 'refused' : 'unknown'
    } catch {
      return 'unknown'
    }
  }
}
