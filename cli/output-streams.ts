import { EXIT_WRONG_INPUT, systemReason } from './failure.ts'

/**
 * Whoever reads what is printed may stop before the end (`| head`): the work goes on then, to the exit code that it comes to. What can not be
 * printed for another reason is lost, so that is said, and the exit code speaks of it.
 */
export function outliveReaders({ stdout, stderr }: NodeJS.Process): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    stderr.write(`signalbox: standard output: ${systemReason(error)}\n`)
    // Last of all: the work may yet say how it ended.
    process.once('exit', () => (process.exitCode = EXIT_WRONG_INPUT))
  })
  // There is nobody left to tell.
  stderr.on('error', () => {})
}
