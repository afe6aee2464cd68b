// Lines that a stranger can provoke must not fill a disk.

/** Lines of one window; more are counted and told as one. */
const LINES = 10
const WINDOW_MS = 1000

/** As `log`, but ten lines a second at most; how many were left out is said at the end of the second. */
export function sparing(log: (line: string) => void): (line: string) => void {
  let said = 0
  let leftOut = 0
  const endWindow = () => {
    if (leftOut > 0) log(`${leftOut} more lines like the last one were left out`)
    said = leftOut = 0
  }
  return (line) => {
    if (said === 0) setTimeout(endWindow, WINDOW_MS).unref()
    if (said++ < LINES) log(line)
    else leftOut++
  }
}
