import type { TableConfig } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { TABLES, isBits, isTable, refuseUnless } from './check/context.ts'

const NUMBERS: readonly number[] = Array.from({ length: TABLES }, (_, table) => table)

/** How each table is set up: what becomes of a frame that no flow takes, and of a flow for which there is no room. */
export class TableConfigs {
  /** By number, those that somebody has set up. */
  readonly #configs = new Map<number, TableConfig>()

  /**
   * Changes what `config` gives, of all tables where its table is 255; gives the numbers of the tables.
   * @throws Refused
   */
  set(config: TableConfig): readonly number[] {
    const { table, maxFlows } = config
    refuseUnless(isTable(table) || table === ALL_TABLES, 'OFPTMFC_BAD_TABLE', 'table', `there is no table ${table}`)
    const isCount = maxFlows === undefined || isBits(maxFlows, 32)
    refuseUnless(isCount, 'OFPTMFC_BAD_CONFIG', 'maxFlows', `${maxFlows} is no number of flows`)
    const tables = table === ALL_TABLES ? NUMBERS : [table]
    for (const number of tables) this.#configs.set(number, { ...this.#configs.get(number), ...config, table: number })
    return tables
  }

  get(table: number): TableConfig | undefined {
    return this.#configs.get(table)
  }

  all(): TableConfig[] {
    return NUMBERS.map((table) => ({ table, ...this.#configs.get(table) }))
  }
}
