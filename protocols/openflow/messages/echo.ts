// Are you there? OpenFlow 1.3 §7.5.2 and §7.5.3. And has all been done? §7.3.7.

import type { Body } from '../body.ts'
import { body, emptyBody } from '../body.ts'
import { MessageCode } from '../header.ts'

const echo = (type: 'echoRequest' | 'echoReply', message: number): Body =>
  body(
    type,
    { message },
    (writer, { data }) => writer.bytes(data),
    (reader) => ({ type, data: reader.bytes(reader.remaining).slice() }),
  )

export const ECHO: readonly Body[] = [
  echo('echoRequest', MessageCode.EchoRequest),
  echo('echoReply', MessageCode.EchoReply),
  emptyBody('barrierRequest', { message: MessageCode.BarrierRequest }, { type: 'barrierRequest' }),
  emptyBody('barrierReply', { message: MessageCode.BarrierReply }, { type: 'barrierReply' }),
]
