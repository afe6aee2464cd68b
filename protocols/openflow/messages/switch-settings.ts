// What the switch is, and how it treats fragments: OpenFlow 1.3 §7.3.1 and §7.3.2.
//
//   | datapath id 64 | buffers 32 | tables 8 | auxiliary id 8 | pad 16 | capabilities 32 | reserved 32 |

import { FRAGMENT_HANDLING } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body, emptyBody } from '../body.ts'
import { MessageCode } from '../header.ts'

/** OFPC_*: statistics of flows, tables, ports, groups and queues. Whether fragments are put together depends on the settings. */
const CAPABILITIES = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 6)

const featuresReply = body(
  'featuresReply',
  { message: MessageCode.FeaturesReply },
  (writer, { datapathId, tables }) => {
    writer.u64(datapathId)
    writer.u32(0)
    writer.u8(tables)
    writer.zero(3)
    writer.u32(CAPABILITIES)
    writer.u32(0)
  },
  (reader) => {
    const datapathId = reader.u64()
    reader.skip(4)
    const tables = reader.u8()
    reader.skip(11)
    return { type: 'featuresReply', datapathId, name: '', host: '', tables, ports: [] }
  },
)

const settings = (type: 'configReply' | 'setConfig', message: number): Body =>
  body(
    type,
    { message },
    (writer, { fragments, missSendLength }) => {
      writer.u16(FRAGMENT_HANDLING.indexOf(fragments))
      writer.u16(missSendLength)
    },
    (reader) => {
      const flags = reader.u16()
      const fragments = FRAGMENT_HANDLING[flags]
      if (fragments === undefined)
        throw new Refused('OFPSCFC_BAD_FLAGS', 'fragments', `flags 0x${flags.toString(16)} are not of OpenFlow 1.3`)
      return { type, fragments, missSendLength: reader.u16() }
    },
  )

export const SWITCH_SETTINGS: readonly Body[] = [
  emptyBody('featuresRequest', { message: MessageCode.FeaturesRequest }, { type: 'featuresRequest' }),
  featuresReply,
  emptyBody('configRequest', { message: MessageCode.ConfigRequest }, { type: 'configRequest' }),
  settings('configReply', MessageCode.ConfigReply),
  settings('setConfig', MessageCode.SetConfig),
]
