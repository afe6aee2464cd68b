import type { TableConfig } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { TABLES, isBits, isTable, refuseUnless } from './check/context.ts'

/** How each table is set up: what becomes of a frame that no flow takes, and of a flow for which there is no room. */
export class TableConfigs {
  readonly #configs: TableConfig[] = Array.from({ length: TABLES }, (_, table) => ({ table }))

  /**
   * Changes what `config` gives, of all tables where its table is 255; gives the numbers of the tables.
   * @throws Refused
   */
  set(config: TableConfig): number[] {
    const { table, maxFlows } = config
    refuseUnless(isTable(table) || table === ALL_TABLES, 'OFPTMFC_BAD_TABLE', 'table', `there is no table ${table}`)
    const isCount = maxFlows === undefined || isBits(maxFlows, 32)
    refuseUnless(isCount, 'OFPTMFC_BAD_CONFIG', 'maxFlows', `${maxFlows} is no number of flows`)
    const tables = table === ALL_TABLES ? this.#configs.map((_, number) => number) : [table]
    for (const number of tables) this.#configs[number] = { ...this.#configs[number], ...config, table: number }
    return tables
  }

  get(table: number): TableConfig | undefined {
    return this.#configs[table]
  }

  all(): TableConfig[] {
    return this.#configs.map((config) => ({ ...config }))
  }
}
