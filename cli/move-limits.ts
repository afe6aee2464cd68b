// `--parallel` and `--parallel-per-host`: how many VMs move at the same time.

import { InvalidArgumentError, Option, type Command } from 'commander'
import type { MoveLimits } from '../controller/model.ts'
import { wholeBetween } from './numbers.ts'

const MOST = 1000

export interface MoveLimitFlags {
  parallel: number
  parallelPerHost: number
}

export const withMoveLimits = (command: Command): Command =>
  command
    .addOption(limit('--parallel <moves>', 'VMs that move at the same time, at most; others wait').default(16))
    .addOption(limit('--parallel-per-host <moves>', 'the same of each host, from it and to it').default(8))

export const moveLimitsOf = ({ parallel, parallelPerHost }: MoveLimitFlags): MoveLimits => ({
  parallel,
  parallelPerHost,
})

const limit = (flags: string, description: string) =>
  new Option(flags, description).argParser((text) => {
    const number = wholeBetween(text, 1, MOST)
    if (number === undefined) throw new InvalidArgumentError(`expected 1 to ${MOST}`)
    return number
  })
