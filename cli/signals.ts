const EXIT_KILLED = 130
/** How long a stop may take, in milliseconds. */
const PATIENCE = 900

/** Resolves when the process is told to stop; told again, it ends on the spot. */
export function onSignals(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const stop = () => {
      if (asked) process.exit(EXIT_KILLED)
      asked = true
      setTimeout(() => process.exit(0), PATIENCE).unref()
      resolve()
    }
    process.on('SIGINT', stop).on('SIGTERM', stop)
  })
}

/** Whether the process is there to stay until then, and what it prints only goes with that. */
export const staysUntilTold = (one: NodeJS.Process): boolean => one.listenerCount('SIGTERM') > 0
