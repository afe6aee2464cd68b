// The log of the verbs that stay: plain lines for people, or JSON, a line each; both to standard error.

import type { Command } from 'commander'
import { Option } from 'commander'
import type { Log } from '../runtime/log.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const FORMATS = ['plain', 'json'] as const

export interface LogFlags {
  logFormat: (typeof FORMATS)[number]
  logLevel: (typeof LEVELS)[number]
  quiet?: true
}

export const withLogOptions = (command: Command): Command =>
  command
    .addOption(new Option('--log-format <format>', 'lines for people, or JSON').choices(FORMATS).default('plain'))
    .addOption(new Option('--log-level <level>', 'what is said at least').choices(LEVELS).default('info'))

/** Nothing is said with `quiet`. */
export async function openLog(
  { logFormat, logLevel, quiet }: LogFlags,
  say: (line: string) => void = (line) => void process.stderr.write(line),
): Promise<Log> {
  // Other verbs do not need it, and start faster without.
  const { pino } = await import('pino')
  const write = (line: string) => say(withoutSecrets(logFormat === 'json' ? line : plain(line)))
  const options = {
    level: quiet ? 'silent' : logLevel,
    base: { name: 'signalbox' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
    redact: { paths: ['authorization', '*.authorization', 'token', '*.token'], censor: '…' },
  }
  const logger: Log = pino(options, { write })
  return logger
}

const PREFIXES: Readonly<Record<string, string>> = { warn: 'warning: ', error: 'error: ' }

function plain(line: string): string {
  const { level, msg } = JSON.parse(line) as { level: string; msg: string }
  return `signalbox: ${PREFIXES[level] ?? ''}${msg}\n`
}

/** Whatever way they came in: tokens of ours, and private keys. */
const SECRETS = /sbx_[\w-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----/gs

const withoutSecrets = (line: string): string => line.replace(SECRETS, '…')
