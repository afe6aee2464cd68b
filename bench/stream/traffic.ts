// A process of its own: sends frames into one vNIC's wire at a steady rate and hears them at another's, for stream.ts that started it.
// It sends by the clock, whatever becomes of the frames.

import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { parseWire } from '../../runtime/wires/parse.ts'

export interface Guest {
  mac: string
  address: string
  /** The guest's end of it. */
  wire: string
}

/** What is asked of the process, one thing after the other. */
export type Order =
  | { order: 'begin'; from: Guest; to: Guest; rate: number }
  /** Ends the window that has begun, begins the next, and tells of the one that has ended. */
  | { order: 'window' }

export interface Window {
  sent: number
  /** Of those sent, not heard within GRACE after the window's end. */
  lost: number
  /** Milliseconds that passed at most between two frames that were heard. */
  longestSilence: number
  /** Milliseconds that a frame took at most. */
  longestDelay: number
}

/** Milliseconds. */
const GRACE = 2000
const TICK = 1
/** Of a run. */
const MOST_FRAMES = 1 << 26
/** A frame of 64 octets, with the checksum that it has on a cable. */
const PAYLOAD = 60 - 42
const NUMBER = 42
const TIME = 46

const heard = new Uint8Array(MOST_FRAMES)
let sent = 0
let first = 0
let lastHeard = 0
let longestSilence = 0
let longestDelay = 0

process.on('message', (order: Order) => {
  if (order.order === 'begin') void begin(order)
  else endWindow()
})

async function begin({ from, to, rate }: Extract<Order, { order: 'begin' }>): Promise<void> {
  await openWire(parseWire(to.wire), hear)
  const wire = await openWire(parseWire(from.wire), () => {})
  const frame = udpFrame({
    ethSrc: parseMac(from.mac),
    ethDst: parseMac(to.mac),
    ipSrc: parseIpv4(from.address),
    ipDst: parseIpv4(to.address),
    srcPort: 1000,
    dstPort: 2000,
    payload: new Uint8Array(PAYLOAD),
  })
  // What is written into the payload is not in a checksum.
  const view = new DataView(frame.buffer, frame.byteOffset)
  view.setUint16(40, 0)
  const start = performance.now()
  const tick = () => {
    const now = performance.now()
    for (const due = Math.floor(((now - start) * rate) / 1000); sent < due && sent < MOST_FRAMES; sent++) {
      view.setUint32(NUMBER, sent)
      view.setFloat64(TIME, now)
      wire.send(frame)
    }
    setTimeout(tick, TICK)
  }
  tick()
  process.send!('begun')
}

function hear(bytes: Uint8Array): void {
  if (bytes.length < NUMBER + PAYLOAD) return
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const now = performance.now()
  heard[view.getUint32(NUMBER)] = 1
  longestSilence = Math.max(longestSilence, now - lastHeard)
  longestDelay = Math.max(longestDelay, now - view.getFloat64(TIME))
  lastHeard = now
}

function endWindow(): void {
  const window = { from: first, to: sent, longestSilence, longestDelay }
  first = sent
  longestSilence = 0
  longestDelay = 0
  setTimeout(() => {
    let lost = 0
    for (let number = window.from; number < window.to; number++) lost += 1 - heard[number]!
    const { from, to, ...longest } = window
    process.send!({ sent: to - from, lost, ...longest } satisfies Window)
  }, GRACE)
}
