// A process of workers.ts: it is told of the scenario, then answers one question after the other until its parent lets go of it.

import type { Runner } from './explore.ts'
import { runnerHere } from './explore.ts'
import { Subject } from './subject.ts'
import type { Answer, Beginning, Question } from './workers.ts'

/** Ctrl-C reaches all processes of a terminal: the parent says when to end. */
process.on('SIGINT', () => {})

let beginning: Promise<Runner> | undefined

process.on('message', (message: Beginning | Question) => {
  if ('profile' in message) beginning = begin(message)
  else void answer(message).then((one) => process.send!(one))
})

async function begin({ profile }: Beginning): Promise<Runner> {
  return runnerHere(await Subject.read(profile.scenario), profile)
}

async function answer({ ask, seed }: Question): Promise<Answer> {
  try {
    const runner = await beginning!
    return { found: await runner[ask](seed) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
