// JSON-RPC 1.0 has no frames: objects stand one behind the other, with or without space.

/** Cuts a stream into JSON objects, which stand one behind the other with or without space. */
export class JsonObjects {
  readonly #longest: number
  readonly #decoder = new TextDecoder()
  #text = ''
  /** Where in the text the search for an end goes on, and what it has come through. */
  #at = 0
  #depth = 0
  #quoted = false

  /** An object may have `longest` letters. */
  constructor(longest = Infinity) {
    this.#longest = longest
  }

  /** @throws Error what can not become an object, or a longer one than is taken. */
  push(bytes: Uint8Array): string[] {
    this.#text += this.#decoder.decode(bytes, { stream: true })
    const objects: string[] = []
    for (let end = this.#end(); end > 0; end = this.#end()) {
      objects.push(this.#text.slice(0, end))
      this.#text = this.#text.slice(end)
      this.#at = 0
    }
    if (this.#text.length > this.#longest) throw new Error('too long')
    return objects
  }

  /** Where the first object ends; 0 where that has not come yet. What was searched once is not searched again. */
  #end(): number {
    if (this.#at === 0) this.#text = this.#text.trimStart()
    if (this.#text !== '' && !this.#text.startsWith('{')) throw new Error('no object')
    for (; this.#at < this.#text.length; this.#at++) {
      const letter = this.#text[this.#at]
      if (this.#quoted) {
        // The letter behind a backslash may come later.
        if (letter === '\\') {
          if (this.#at + 1 === this.#text.length) return 0
          this.#at++
        } else if (letter === '"') this.#quoted = false
      } else if (letter === '"') this.#quoted = true
      else if (letter === '{') this.#depth++
      else if (letter === '}' && --this.#depth === 0) return this.#at + 1
    }
    return 0
  }
}
