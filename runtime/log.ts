/** Where long-running parts say what happens: a sentence for people, and the same as fields for programs. pino's loggers are such. */
export interface Log {
  debug(fields: object, line: string): void
  info(fields: object, line: string): void
  warn(fields: object, line: string): void
  error(fields: object, line: string): void
}

const nothing = (): void => {}
export const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
