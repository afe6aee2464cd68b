// The frames of a capture as runs need them: each with its vNIC and its time, read once. Of those that go in while nothing else
// happens, a run takes a sample only: the others would go the same way.

import { CaptureDamaged, LINK_TYPE_ETHERNET, readCapture } from '../../protocols/capture/capture.ts'
import { MILLISECOND, SECOND, type Nanoseconds } from '../../runtime/clock.ts'
import type { Step } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'
import { MAX_FRAME_LENGTH } from '../../datapath/frames.ts'
import { frameMapper } from '../frame-map.ts'
import { untagged } from '../untagged.ts'

/** What goes in so long before something happens, and so long after, all goes in. */
const BEFORE = 20 * MILLISECOND
const AFTER = 120 * MILLISECOND
/** Of the others so many, evenly. */
const SAMPLE = 100

export interface CaptureFrame {
  /** Since the first. */
  at: Nanoseconds
  nic: string
  bytes: Uint8Array
  number: number
}

/** Those that find a vNIC. What is damaged of a capture is left out. */
export async function framesOf(
  bytes: Uint8Array,
  { map, speed }: Extract<Step, { type: 'replay' }>,
  topology: Topology,
): Promise<CaptureFrame[]> {
  const mapper = frameMapper(map, topology)
  const frames: CaptureFrame[] = []
  let epoch: { seconds: number; nanoseconds: number } | undefined
  try {
    for await (const batch of readCapture(inOne(bytes)))
      for (let index = 0; index < batch.length; index++) {
        const [seconds, nanoseconds] = [batch.seconds[index]!, batch.nanoseconds[index]!]
        epoch ??= { seconds, nanoseconds }
        const since = (seconds - epoch.seconds) * SECOND + (nanoseconds - epoch.nanoseconds)
        const frame = batch.frame(index)
        const entry = mapper.entryOf(frame)
        if (frame.linkType !== LINK_TYPE_ETHERNET || frame.bytes.length > MAX_FRAME_LENGTH || 'unmapped' in entry)
          continue
        const whole = entry.untag ? untagged(frame.bytes) : new Uint8Array(frame.bytes)
        const at = Math.max(frames.at(-1)?.at ?? 0, Math.round(since / speed))
        frames.push({ at, nic: entry.nic, bytes: whole, number: frame.number })
      }
  } catch (damage) {
    if (!(damage instanceof CaptureDamaged)) throw damage
  }
  return frames
}

/** Those near one of the instants, and a sample of the others. */
export function framesNear(frames: readonly CaptureFrame[], instants: readonly Nanoseconds[]): CaptureFrame[] {
  const isNear = ({ at }: CaptureFrame) => instants.some((instant) => at >= instant - BEFORE && at <= instant + AFTER)
  const stride = Math.max(1, Math.ceil(frames.length / SAMPLE))
  return frames.filter((frame, index) => index % stride === 0 || isNear(frame))
}

async function* inOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
