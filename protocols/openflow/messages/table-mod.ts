// OFPT_TABLE_MOD: OpenFlow 1.3 §7.3.3.
//
//   | table 8 | pad 24 | config 32 |

import { body } from '../body.ts'
import { MessageCode } from '../header.ts'

/** OpenFlow 1.4's OFPTC_EVICTION. OpenFlow 1.3 has no bit that means anything: what becomes of a miss is its table-miss flow's. */
const EVICTION = 1 << 2

export const TABLE_MOD = body(
  'tableMod',
  { message: MessageCode.TableMod },
  (writer, { table, eviction }) => {
    writer.u8(table)
    writer.zero(3)
    writer.u32(eviction === true ? EVICTION : 0)
  },
  (reader) => {
    const table = reader.u8()
    reader.skip(3)
    return { type: 'tableMod', table, ...((reader.u32() & EVICTION) !== 0 && { eviction: true }) }
  },
)
