// OFPMP_TABLE: OpenFlow 1.3 §7.3.5.4.
//
//   | table 8 | pad 24 | active 32 | lookups 64 | matched 64 |

import type { Body } from '../body.ts'
import { emptyBody, listBody } from '../body.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll } from '../lists.ts'

const tableStatisticsReply = listBody(
  'tableStatisticsReply',
  reply(MultipartCode.Table),
  ({ tables }) => tables,
  (writer, { table, active, lookups, matched }) => {
    writer.u8(table)
    writer.zero(3)
    writer.u32(active)
    writer.u64(lookups)
    writer.u64(matched)
  },
  (reader) => ({
    type: 'tableStatisticsReply',
    tables: readAll(reader, (item) => {
      const table = item.u8()
      item.skip(3)
      return { table, active: item.u32(), lookups: item.u64(), matched: item.u64() }
    }),
  }),
)

export const TABLE_STATISTICS: readonly Body[] = [
  emptyBody('tableStatisticsRequest', request(MultipartCode.Table), { type: 'tableStatisticsRequest' }),
  tableStatisticsReply,
]
