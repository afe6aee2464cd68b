// What the frame under way has cost so far, with all its copies, however often they are read anew and in all bridges that they
// cross by way of patch ports. A few flows that send copies to each other would keep a switch busy for years: six rounds of a
// thousand ct actions are 10^18. Open vSwitch bounds each round alone. Frames are done with one after the other, so there is one
// account.

/** Steps of a walk and actions carried out. A frame that needs more is no frame that somebody wants forwarded. */
export const MAX_EFFORT = 1 << 18
/** As much as so many plain actions. */
export const COST_OF_LOOKUP = 16
export const COST_OF_COPY = 8

let nesting = 0
let spent = 0

/** Frames come in: those that were sent by a frame under way are on its account, of the others each has its own. */
export function beginFrames(): void {
  nesting++
}

export function endFrames(): void {
  nesting--
}

/** Whether each frame that comes in has an account of its own. */
export const isOutermost = (): boolean => nesting === 1

/** The next of them. */
export function nextFrame(): void {
  if (nesting === 1) spent = 0
}

export function spend(effort: number): void {
  spent += effort
}

/** No copy may go on. */
export const isSpent = (): boolean => spent > MAX_EFFORT
