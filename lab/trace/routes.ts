// `/trace`: why a frame goes where it goes in the network that runs. Nothing is sent.

import { Type } from 'typebox'
import type { Api } from '../../controller/api/api.ts'
import { WrongInput } from '../../controller/api/errors.ts'
import { closed, count, optional, text, texts } from '../../controller/api/schemas.ts'
import { bytesFrom } from '../../datapath/trace/request.ts'
import { parseConnectionState } from '../../datapath/trace/resumption.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { FlowSyntaxError } from '../../protocols/flow-text/syntax-error.ts'
import type { Lab } from '../lab.ts'
import { follow } from './source.ts'
import { reportFollowed } from './text.ts'
import { textOf } from '../../runtime/error-text.ts'

const ORDER = {
  at: text('Where the frame enters: a vNIC (web1:eth0, or web1 where the VM has one), or a switch (h1/br-int).'),
  flow: optional(text('The frame in the syntax of ovs-ofctl; at a switch with its in_port.')),
  frame: optional(text('The frame in hexadecimal digits, in the place of `flow`.')),
  inPort: optional(Type.Integer({ minimum: 1, description: 'Port by which `frame` enters a switch. Default: 1.' })),
}
const CT_NEXT = 'What the connection tracker says, as trk,est, time after time; what it knows where absent.'

const TraceOrder = closed({ ...ORDER, ctNext: optional(texts(CT_NEXT)) })
const TraceQuery = closed({
  ...ORDER,
  ctNext: optional(Type.Union([text(CT_NEXT), texts('Several: the parameter again and again.')])),
})
interface Order {
  at: string
  flow?: string
  frame?: string
  inPort?: number
  ctNext?: string[]
}

const Step = closed({
  heading: texts('What has come before, where the frame was read anew.'),
  flow: text('The frame as the tables see it.'),
  lines: texts('Tables, rules and actions, as ofproto/trace indents them.'),
  finalFlow: text('The frame at the end; `unchanged`.'),
  megaflow: text('What the answer goes by.'),
  datapathActions: text('What is done to the frame.'),
  failure: optional(text('Why the pipeline gave up.')),
})

const TraceReport = closed({
  hops: Type.Array(
    closed({
      switch: text('As h1/br-int.'),
      inPort: count('OpenFlow number of the port by which it came in.'),
      from: text('Where it came from.'),
      outputs: Type.Array(count('A port.'), { description: 'Ports through which copies leave.' }),
      steps: Type.Array(Step),
    }),
  ),
  deliveries: Type.Array(closed({ nic: text('vNIC that hears it.'), frame: text('In hexadecimal digits.') })),
  drops: Type.Array(closed({ place: text('Switch or host.'), name: text('Name of the drop.') })),
})

export function traceRoutes(api: Api, lab: Lab): void {
  const shared = { tags: ['emulation'], summary: 'Why a frame goes where it goes', response: { 200: TraceReport } }
  // A question, for all that it is a POST: nothing changes.
  const options = { config: { role: 'viewer' }, schema: { ...shared, body: TraceOrder } } as const
  api.post('/trace', options, async ({ body }) => answer(lab, body))
  api.get('/trace', { schema: { ...shared, querystring: TraceQuery } }, async ({ query: { ctNext, ...rest } }) =>
    answer(lab, { ...rest, ...(ctNext !== undefined && { ctNext: [ctNext].flat() }) }),
  )
}

function answer(lab: Lab, order: Order) {
  const { at, flow, frame, inPort, ctNext } = order
  if ((flow === undefined) === (frame === undefined)) throw wrong('give either flow or frame', '/flow')
  const bytes = frame === undefined ? undefined : told(() => bytesFrom(frame), '/frame')
  const states = ctNext === undefined ? undefined : told(() => ctNext.map(parseConnectionState), '/ctNext')
  const question = {
    at,
    frame: bytes ?? flow ?? '',
    ...(inPort !== undefined && { inPort }),
    ...(states && { connectionStates: states }),
  }
  return reportFollowed(told(() => follow(lab, lab.controller.topology, question), '/flow'))
}

/** What is wrong with a value, at the key under which it was given. */
function told<T>(work: () => T, pointer: string): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof FlowSyntaxError) throw error
    if (error instanceof InvalidField)
      throw wrong(
        `${error.problem}; expected ${error.expected}`,
        error.path === 'at' || error.path === 'vNIC' ? '/at' : error.path === 'inPort' ? '/inPort' : pointer,
      )
    throw wrong(textOf(error), pointer)
  }
}

const wrong = (detail: string, pointer: string) => new WrongInput('No such trace', [{ detail, pointer }])
