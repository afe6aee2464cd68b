// Our switch, fed from memory: frames lie in one buffer, and each is copied into the arena, as the peer's driver copies them into
// its buffers. What leaves is counted and dropped.

import { FrameArena } from '../../datapath/frames.ts'
import { Switch } from '../../datapath/switch.ts'
import type { FlowMod, PortConfig } from '../../protocols/control/messages.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import type { Attacker } from './attacker.ts'
import { ACCESS_VLAN, type Pipeline } from './pipelines.ts'
import { ownTime } from './processor.ts'
import { LOCAL_VTEP, makeTraffic, RECEIVER, REMOTE_VTEP, SENDER, VNI, type Traffic } from './traffic.ts'

export const VECTOR = 256
/** What a vector takes, as far as timeouts are concerned. */
const VECTOR_TIME = 20_000
/** Between looks at the wall's clock. */
const VECTORS = 64

const [REMOTE_HIGH, REMOTE_LOW] = halves(REMOTE_VTEP.mac)
const [LOCAL_HIGH, LOCAL_LOW] = halves(LOCAL_VTEP.mac)

/** Time that the feed moves. Nothing waits for it: no pipeline here has a flow that times out. */
class FeedClock implements Clock {
  time: Nanoseconds = 0
  now(): Nanoseconds {
    return this.time
  }
  schedule(): { cancel(): void } {
    return { cancel: () => {} }
  }
  scheduleAsync(): { cancel(): void } {
    return this.schedule()
  }
}

export class FedSwitch {
  readonly bridge: Switch
  /** Frames that left through a port, whose own counters say how long they were. */
  sent = 0
  readonly #arena = new FrameArena()
  readonly #clock = new FeedClock()
  readonly #traffic: Traffic
  /** Frames enter a tunnel, or come out of one. */
  readonly #enters: boolean
  readonly #leaves: boolean
  readonly #vector = new Int32Array(VECTOR)
  readonly #starts = new Int32Array(VECTOR)
  readonly #lengths = new Int32Array(VECTOR)
  #next = 0

  constructor(pipeline: Pipeline, traffic = makeTraffic(pipeline.traffic)) {
    const arena = this.#arena
    this.#traffic = traffic
    this.#enters = pipeline.tunnel === 'in'
    this.#leaves = pipeline.tunnel === 'out'
    this.#lengths.fill(traffic.length)
    this.bridge = new Switch({
      name: 'bench/br0',
      host: 'bench',
      datapathId: 1n,
      arena,
      clock: this.#clock,
      events: {
        transmit: (_port, frame) => this.#send(Int32Array.of(frame), 0, 1),
        transmitAll: (_port, frames, start, end) => this.#send(frames, start, end),
        drop: () => {},
        message: () => {},
      },
    })
    for (const port of portsOf(pipeline)) this.bridge.ports.add(port)
    this.bridge.tables.applyBundle(pipeline.flows().map(addition))
    if (pipeline.learned) this.#introduce()
  }

  /** Feeds frames one after the other, from the first again after the last. */
  feed(vectors: number): void {
    for (let vector = 0; vector < vectors; vector++) this.#feedVector(VECTOR)
  }

  /** Lets an attacker send so many frames, at most a vector. */
  feedFrom(attacker: Attacker, count: number): void {
    for (let index = 0; index < count; index++) this.#vector[index] = attacker.next(this.#arena)
    this.bridge.receive(this.#vector, count, 1)
    this.#clock.time += VECTOR_TIME
  }

  /** Each of the frames once. */
  feedAll(): void {
    this.#next = 0
    const { frames } = this.#traffic
    for (let fed = 0; fed < frames; fed += VECTOR) this.#feedVector(Math.min(VECTOR, frames - fed))
  }

  /** Frames for each second of processor time, over some `seconds`. */
  rate(seconds: number): number {
    const [start, startTime, before] = [performance.now(), ownTime(), this.sent]
    do this.feed(VECTORS)
    while (performance.now() - start < seconds * 1000)
    return (this.sent - before) / (ownTime() - startTime)
  }

  #send(frames: Int32Array, start: number, end: number): void {
    if (this.#enters) this.#address(frames, start, end)
    this.sent += end - start
    this.#arena.releaseAll(frames, start, end)
  }

  /** Which MAC addresses lead to the tunnel's other end, the host's network stack knows: here as there, on the same core. */
  #address(frames: Int32Array, start: number, end: number): void {
    const { view, offset } = this.#arena
    for (let index = start; index < end; index++) {
      const at = offset[frames[index]!]!
      view.setUint16(at, REMOTE_HIGH)
      view.setUint32(at + 2, REMOTE_LOW)
      view.setUint16(at + 6, LOCAL_HIGH)
      view.setUint32(at + 8, LOCAL_LOW)
    }
  }

  #feedVector(count: number): void {
    const { words, start, stride, frames } = this.#traffic
    const vector = this.#vector
    const starts = this.#starts
    let next = this.#next
    for (let index = 0; index < count; index++) {
      starts[index] = start + next * stride
      next = next + 1 === frames ? 0 : next + 1
    }
    this.#next = next
    this.#arena.copyInAll(words, starts, this.#lengths, count, vector)
    if (this.#leaves) this.bridge.receiveTunnelled(vector, count)
    else this.bridge.receive(vector, count, 1)
    this.#clock.time += VECTOR_TIME
  }

  /** The receiver speaks, so that the switch learns where it is. */
  #introduce(): void {
    const hello = udpFrame({ ethSrc: RECEIVER, ethDst: SENDER, ipSrc: 2, ipDst: 1, srcPort: 1, dstPort: 1 })
    this.bridge.receive([this.#arena.allocateFrom(hello)], 1, 2)
    this.sent = 0
  }
}

function portsOf({ learned, tunnel }: Pipeline): PortConfig[] {
  const vlan = learned ? ({ vlanMode: 'access', tag: ACCESS_VLAN } as const) : ({ vlanMode: 'trunk' } as const)
  const ports: PortConfig[] = [1, 2].map((number) => ({
    number,
    name: `p${number - 1}`,
    type: 'uplink',
    state: 'open',
    ...vlan,
  }))
  const endpoints = { localIp: LOCAL_VTEP.ip, remoteIp: REMOTE_VTEP.ip, key: VNI }
  if (tunnel) ports.push({ number: 10, name: 'vx', type: 'tunnel', state: 'open', tunnel: endpoints })
  return ports
}

const addition = (text: string): FlowMod => ({ type: 'flowMod', command: 'add', cookieMask: 0n, ...parseFlow(text) })

function halves(mac: bigint): [high: number, low: number] {
  return [Number(mac >> 32n), Number(mac & 0xffffffffn)]
}
