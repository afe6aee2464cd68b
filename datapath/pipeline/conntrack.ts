// The ct action: what the connection tracker is asked (ovs-actions(7), THE CT ACTION).

import type { NatAction } from '../../protocols/control/messages.ts'
import { Word } from '../../protocols/fields.ts'
import type { NatRequest, TrackRequest } from '../conntrack/tracker.ts'
import type { Part, Step } from './steps.ts'
import type { Translation } from './translation.ts'

const LABEL_WORDS = 4

/** Carries out the actions inside, on the key's mark and label, to see what they write there. */
export function trackRequest(frame: Translation, { action, zone, steps }: Extract<Step, { type: 'ct' }>): TrackRequest {
  const number = typeof zone === 'number' ? zone : Number(frame.readPart(zone)) & 0xffff
  const written = new Uint32Array(1 + LABEL_WORDS)
  let nat: TrackRequest['nat']
  for (const step of steps) {
    if (step.type === 'nat') nat = natRequest(step)
    else if (step.type === 'set_field') {
      for (const { word, value, mask } of step.writes) frame.write(word, value, mask)
      noteWritten(written, step.writes)
    } else if (step.type === 'move') {
      frame.writePart(step.to, frame.readPart(step.from))
      noteWritten(written, step.to.words)
    }
  }
  const mark = { value: (frame.key[Word.ctMark] & written[0]) >>> 0, mask: written[0] }
  const mask = written.slice(1)
  const value = mask.map((bits, index) => frame.key[Word.ctLabel + index] & bits)
  return {
    zone: number,
    commit: action.commit,
    force: action.force,
    ...(mark.mask !== 0 && { mark }),
    ...(mask.some((bits) => bits !== 0) && { label: { value, mask } }),
    ...(nat !== undefined && { nat }),
    alg: action.alg,
  }
}

function noteWritten(written: Uint32Array, words: Part['words']): void {
  for (const { word, mask } of words)
    if (word >= Word.ctMark && word < Word.ctLabel + LABEL_WORDS) written[word - Word.ctMark] |= mask
}

function natRequest({ direction, addresses, ports, persistent, algorithm }: NatAction): 'restore' | NatRequest {
  if (direction === undefined) return 'restore'
  return {
    direction,
    ...(addresses && { addresses }),
    ...(ports && { ports }),
    persistent: persistent === true,
    algorithm,
  }
}

/** Nothing is known of the frame's connection any more. */
export const forgetConnection = (frame: Translation): void =>
  void frame.key.fill(0, Word.ctState, Word.ctTransportDestination + 1)
