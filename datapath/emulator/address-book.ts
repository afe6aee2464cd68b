/** At least this many entries for each that is taken. */
const ROOM = 2

/** Behind which host, by number, an address of a VLAN was last seen: open addressing in typed arrays. */
export class AddressBook {
  /** VLAN and the first two octets of the address; -1 where the entry is free. */
  #high = new Int32Array(64).fill(-1)
  #low = new Int32Array(64)
  #hosts = new Int32Array(64)
  #size = 0

  /** The host's number, or -1. */
  find(vlan: number, high: number, low: number): number {
    const key = (vlan << 16) | high
    const at = this.#place(key, low | 0)
    return this.#high[at] === key ? this.#hosts[at]! : -1
  }

  /** False where that was known. */
  learn(vlan: number, high: number, low: number, host: number): boolean {
    const key = (vlan << 16) | high
    const at = this.#place(key, low | 0)
    const isKnown = this.#high[at] === key
    if (isKnown && this.#hosts[at] === host) return false
    this.#hosts[at] = host
    if (isKnown) return true
    this.#high[at] = key
    this.#low[at] = low
    if (++this.#size * ROOM > this.#high.length) this.#double()
    return true
  }

  /** The same with `numbers` for hosts, by the number that each had; without those of whom it is -1. */
  renumbered(numbers: readonly number[]): AddressBook {
    const book = new AddressBook()
    for (const [at, key] of this.#high.entries()) {
      const host = key === -1 ? -1 : numbers[this.#hosts[at]!]!
      if (host !== -1) book.learn(key >>> 16, key & 0xffff, this.#low[at]!, host)
    }
    return book
  }

  /** Where the key stands, or would. */
  #place(key: number, low: number): number {
    const mask = this.#high.length - 1
    const mixed = Math.imul(low ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b)
    let at = (mixed ^ (mixed >>> 15)) & mask
    while (this.#high[at] !== -1 && !(this.#high[at] === key && this.#low[at] === low)) at = (at + 1) & mask
    return at
  }

  #double(): void {
    const [high, low, hosts] = [this.#high, this.#low, this.#hosts]
    this.#high = new Int32Array(2 * high.length).fill(-1)
    this.#low = new Int32Array(2 * high.length)
    this.#hosts = new Int32Array(2 * high.length)
    for (let from = 0; from < high.length; from++) {
      if (high[from] === -1) continue
      const at = this.#place(high[from]!, low[from]!)
      this.#high[at] = high[from]!
      this.#low[at] = low[from]!
      this.#hosts[at] = hosts[from]!
    }
  }
}
