import { EXIT_WRONG_INPUT, systemReason } from './failure.ts'
import { staysUntilTold } from './signals.ts'

/** Greater ones say already what went wrong. */
const EXIT_OF_A_VERDICT = 1

/**
 * Whoever reads what is printed may stop before the end (`| head`): the work goes on then, to the exit code that it comes to. What can not be
 * printed for another reason is lost, so that is said, once, and the exit code of what was to be printed speaks of it.
 */
export function outliveReaders(process: NodeJS.Process): void {
  const { stdout, stderr } = process
  let isSaid = false
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A full disk does not close it: each further write fails as well.
    if (error.code === 'EPIPE' || isSaid) return
    isSaid = true
    stderr.write(`signalbox: standard output: ${systemReason(error)}\n`)
    // Last of all: the work may yet say how it ended.
    process.once('exit', (code) => {
      if (code <= EXIT_OF_A_VERDICT && !staysUntilTold(process)) process.exitCode = EXIT_WRONG_INPUT
    })
  })
  // There is nobody left to tell.
  stderr.on('error', () => {})
}
