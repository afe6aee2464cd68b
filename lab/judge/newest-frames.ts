/** The newest frame that was heard of each flow from one vNIC to another: open addressing in typed arrays. */
export class NewestFrames {
  /** The number of the two vNICs, from 1; 0 where the entry is free. */
  #pairs = new Int32Array(256)
  #flows = new Int32Array(256)
  #frames = new Float64Array(256)
  #size = 0

  /** Notes the frame, unless a newer one of the flow was noted before: then false. */
  note(pair: number, flow: number, frame: number): boolean {
    const at = this.#place(pair, flow | 0)
    if (this.#pairs[at] === 0) return this.#add(at, pair, flow, frame)
    if (frame < this.#frames[at]!) return false
    this.#frames[at] = frame
    return true
  }

  #add(at: number, pair: number, flow: number, frame: number): true {
    this.#pairs[at] = pair
    this.#flows[at] = flow
    this.#frames[at] = frame
    if (++this.#size * 2 > this.#pairs.length) this.#double()
    return true
  }

  #place(pair: number, flow: number): number {
    const mask = this.#pairs.length - 1
    let at = Math.imul(flow ^ Math.imul(pair, 0x9e3779b1), 0x85ebca6b)
    at = (at ^ (at >>> 15)) & mask
    while (this.#pairs[at] !== 0 && (this.#pairs[at] !== pair || this.#flows[at] !== flow)) at = (at + 1) & mask
    return at
  }

  #double(): void {
    const [pairs, flows, frames] = [this.#pairs, this.#flows, this.#frames]
    this.#pairs = new Int32Array(2 * pairs.length)
    this.#flows = new Int32Array(2 * pairs.length)
    this.#frames = new Float64Array(2 * pairs.length)
    for (let from = 0; from < pairs.length; from++) {
      if (pairs[from] === 0) continue
      const at = this.#place(pairs[from]!, flows[from]!)
      this.#pairs[at] = pairs[from]!
      this.#flows[at] = flows[from]!
      this.#frames[at] = frames[from]!
    }
  }
}
