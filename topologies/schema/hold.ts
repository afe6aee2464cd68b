import type { Type } from 'typebox'
import { closed, duration, integer, optional } from './parts.ts'

export const Hold = closed(
  {
    bytes: optional(integer(0, Number.MAX_SAFE_INTEGER, 'Bytes of frames, of each port. Default: 67108864.')),
    time: optional(duration('How long a frame is kept. Default: 60s.')),
  },
  {
    description:
      'What ports keep for a guest while it moves, at most. What is more is dropped as hold_overflow. What a move says counts before what its hosts say, and that before what the topology says.',
  },
)

export type WrittenHold = Type.Static<typeof Hold>
