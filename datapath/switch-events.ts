import type { Message } from '../protocols/control/messages.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import type { FrameHandle } from './frames.ts'
import type { Port } from './port.ts'

/** What the world outside hears of a switch. */
export interface SwitchEvents {
  /** A frame leaves through the port. The receiver owns it. */
  transmit(port: Port, frame: FrameHandle): void
  /** The same for those from `start` to `end`, where somebody takes them together. `frames` holds until this returns. */
  transmitAll?(port: Port, frames: Int32Array, start: number, end: number): void
  /** A copy of a frame ends here. The switch releases it afterwards. */
  drop(frame: FrameHandle, reason: DropReason, at: DropPlace): void
  /** Called when a copy is about to leave through the port, or is held there: which flow sent it, and which flows it met on its way. */
  output?(frame: FrameHandle, port: Port, flow: Flow | undefined, hits: readonly Flow[]): void
  /** What becomes of the frame is more than to be changed, counted and let out as others of its kind were. */
  stirred?(frame: FrameHandle): void
  /** For the controllers: packetIn, flowRemoved, portStatus. Not for `by`, who asked for what it tells of. */
  message(message: Message, by?: object): void
}

/** Where it ends: at which port, and by which flow, where there is one. */
export interface DropPlace {
  port?: Port
  flow?: Flow
}
