// Our switch, fed from memory: frames lie in one buffer, and each is copied into the arena, as the peer's driver copies them into
// its buffers. What leaves is counted and dropped.

import { FrameArena, type FrameHandle } from '../../datapath/frames.ts'
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
  readonly #tunnelled: boolean
  readonly #vector: FrameHandle[] = new Array<FrameHandle>(VECTOR).fill(0)
  #next = 0

  constructor(pipeline: Pipeline, traffic = makeTraffic(pipeline.traffic)) {
    const arena = this.#arena
    this.#traffic = traffic
    this.#tunnelled = pipeline.tunnel === 'out'
    this.bridge = new Switch({
      name: 'bench/br0',
      host: 'bench',
      datapathId: 1n,
      arena,
      clock: this.#clock,
      events: {
        transmit:
          pipeline.tunnel === 'in' ? (_port, frame) => this.#sendTunnelled(frame) : (_port, frame) => this.#send(frame),
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

  #send(frame: FrameHandle): void {
    this.sent++
    this.#arena.release(frame)
  }

  /** Which MAC addresses lead to the tunnel's other end, the host's network stack knows: here as there, on the same core. */
  #sendTunnelled(frame: FrameHandle): void {
    const { view, offset } = this.#arena
    const start = offset[frame]!
    view.setUint16(start, REMOTE_HIGH)
    view.setUint32(start + 2, REMOTE_LOW)
    view.setUint16(start + 6, LOCAL_HIGH)
    view.setUint32(start + 8, LOCAL_LOW)
    this.#send(frame)
  }

  #feedVector(count: number): void {
    const { words, start, stride, length, frames } = this.#traffic
    const arena = this.#arena
    const vector = this.#vector
    let next = this.#next
    for (let index = 0; index < count; index++) {
      vector[index] = arena.copyIn(words, start + next * stride, length)
      next = next + 1 === frames ? 0 : next + 1
    }
    this.#next = next
    if (this.#tunnelled) this.bridge.receiveTunnelled(vector, count)
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
