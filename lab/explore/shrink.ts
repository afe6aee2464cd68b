// From a schedule that breaks something to a short one that does.

import type { Outcome } from './run.ts'
import type { Perturbation, Schedule } from './schedule.ts'

export interface Shrunk {
  schedule: Schedule
  outcome: Outcome
}

/**
 * Leaves out one perturbation after the other, for as long as what is left breaks the same invariant. `run` says what comes of a
 * schedule. What is left does not break it any more without any one of its perturbations.
 */
export async function shrink(
  failing: Shrunk,
  run: (schedule: Schedule) => Promise<Outcome>,
  isWanted: () => boolean = () => true,
): Promise<Shrunk> {
  let shortest = withoutUnbegun(failing)
  for (let index = 0; index < shortest.schedule.perturbations.length && isWanted();) {
    const schedule = without(shortest.schedule, index)
    const outcome = await run(schedule)
    if (outcome.broken?.invariant !== failing.outcome.broken?.invariant) index++
    else {
      shortest = { schedule, outcome }
      // Others may be left out now that could not before.
      index = 0
    }
  }
  return shortest
}

/** Perturbations that had not begun when it broke have no part in it. */
function withoutUnbegun({ schedule, outcome }: Shrunk): Shrunk {
  const { begun } = outcome
  const perturbations = schedule.perturbations.filter((one) => !('at' in one) || begun.includes(one))
  return { schedule: { ...schedule, perturbations }, outcome }
}

const without = (schedule: Schedule, index: number): Schedule => ({
  ...schedule,
  perturbations: schedule.perturbations.filter((_one: Perturbation, place) => place !== index),
})
