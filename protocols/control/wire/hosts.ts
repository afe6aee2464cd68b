// What a host process and the controller say to each other.

import type { MessageType, WireStatus } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { bounded, each, fromUint64, given, optional, toUint64, UINT32 } from './values.ts'

export const HOST_MESSAGES = {
  hostHello: {
    toWire: ({ version, name }, at) => ({ version: bounded(version, UINT32, `${at}version`), name }),
    fromWire: (wire) => ({ type: 'hostHello', version: wire.version ?? 0, name: wire.name ?? '' }),
  },
  hostConfig: {
    toWire: ({ generationId, bridges, vtep, wires }, at) => ({
      generationId: toUint64(generationId, `${at}generationId`),
      bridges: each(bridges, `${at}bridges`, ({ name, datapathId }, path) => ({
        name,
        datapathId: toUint64(datapathId, `${path}.datapathId`),
      })),
      vtep: optional(vtep, UINT32, `${at}vtep`),
      wires,
    }),
    fromWire: (wire, at) => ({
      type: 'hostConfig',
      generationId: fromUint64(wire.generationId),
      bridges: (wire.bridges ?? []).map((bridge) => ({
        name: bridge.name ?? '',
        datapathId: fromUint64(bridge.datapathId),
      })),
      ...given('vtep', wire.vtep, UINT32, at),
      wires: (wire.wires ?? []).map(({ vnic, wire: text }) => ({ vnic: vnic ?? '', wire: text ?? '' })),
    }),
  },
  hostStatus: {
    toWire: ({ wires, problem }) => ({ wires, problem }),
    fromWire: (status) => ({
      type: 'hostStatus',
      wires: (status.wires ?? []).map(({ vnic, wire, made, connected, problem }): WireStatus => ({
        vnic: vnic ?? '',
        wire: wire ?? '',
        made: made ?? false,
        connected: connected ?? false,
        problem: problem ?? '',
      })),
      problem: status.problem ?? '',
    }),
  },
} satisfies Partial<Codecs<MessageType>>
