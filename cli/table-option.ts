// `--table` of `switch run`: NUMBER=SETTING[,SETTING]…, what OpenFlow 1.3 has no message for.

import { InvalidArgumentError } from 'commander'
import { LAST_TABLE, type TableConfig } from '../protocols/control/messages.ts'

export const TABLE_SYNTAX = 'NUMBER=SETTING[,SETTING]… of max_flows:N, eviction, miss:controller|continue|drop'

const MOST_FLOWS = 1_000_000
const MISSES = ['controller', 'continue', 'drop'] as const

/** @throws InvalidArgumentError */
export function parseTable(text: string): TableConfig {
  const found = /^(\d+)=(.+)$/.exec(text)
  if (found === null || Number(found[1]) > LAST_TABLE)
    throw new InvalidArgumentError(`'${text}' is no table; expected ${TABLE_SYNTAX}, tables being 0 to ${LAST_TABLE}`)
  const config: TableConfig = { table: Number(found[1]) }
  for (const setting of found[2]!.split(',')) set(config, setting)
  return config
}

function set(config: TableConfig, setting: string): void {
  const [name, value = ''] = setting.split(':', 2)
  const miss = MISSES.find((one) => one === value)
  const flows = /^\d+$/.test(value) ? Number(value) : NaN
  if (setting === 'eviction') config.eviction = true
  else if (name === 'miss' && miss !== undefined) config.miss = miss
  else if (name === 'max_flows' && flows <= MOST_FLOWS) config.maxFlows = flows
  else throw new InvalidArgumentError(`'${setting}' sets nothing; expected ${TABLE_SYNTAX}`)
}
