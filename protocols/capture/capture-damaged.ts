/** A capture that cannot be read, or not to its end. The whole frames before the damage have been given out. */
export class CaptureDamaged extends Error {
  /** Where in the file the record or header begins that is not what it should be. */
  readonly offset: number
  readonly framesRead: number
  /** What is wrong and what was expected, without the place. */
  readonly problem: string

  constructor(offset: number, framesRead: number, problem: string) {
    super(`${problem} (at byte ${offset}, after ${framesRead} whole frame${framesRead === 1 ? '' : 's'})`)
    this.name = 'CaptureDamaged'
    this.offset = offset
    this.framesRead = framesRead
    this.problem = problem
  }
}
