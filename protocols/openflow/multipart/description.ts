// OFPMP_DESC: OpenFlow 1.3 §7.3.5.1.

import type { Body } from '../body.ts'
import { body, emptyBody } from '../body.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readText, writeText } from '../values.ts'

const LONG = 256
const SHORT = 32

const descriptionReply = body(
  'descriptionReply',
  reply(MultipartCode.Description),
  (writer, { manufacturer, hardware, software, serial, datapath }) => {
    for (const text of [manufacturer, hardware, software]) writeText(writer, text, LONG)
    writeText(writer, serial, SHORT)
    writeText(writer, datapath, LONG)
  },
  (reader) => ({
    type: 'descriptionReply',
    manufacturer: readText(reader, LONG),
    hardware: readText(reader, LONG),
    software: readText(reader, LONG),
    serial: readText(reader, SHORT),
    datapath: readText(reader, LONG),
  }),
)

export const DESCRIPTION: readonly Body[] = [
  emptyBody('descriptionRequest', request(MultipartCode.Description), { type: 'descriptionRequest' }),
  descriptionReply,
]
