// One switch alone, fed from memory: 60-byte UDP frames copied into the arena, out of a port that counts and drops.

import { FrameArena, type FrameHandle } from '../datapath/frames.ts'
import { Switch } from '../datapath/switch.ts'
import type { FlowMod } from '../protocols/control/messages.ts'
import { parseFlow } from '../protocols/flow-text/parse.ts'
import { udpFrame } from '../protocols/packet/compose.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { measure, secondsOf, type Row } from './measure.ts'

const VECTOR = 256
const FRAMES = 200_000
const RUNS = 5

interface Pipeline {
  name: string
  flows: string[]
  /** Distinct 5-tuples. */
  tuples: number
}

const ACL = Array.from(
  { length: 1000 },
  (_, rule) =>
    `table=0,priority=${2000 + rule},udp,nw_dst=192.168.${rule >> 8}.${rule & 255},tp_dst=${rule},actions=drop`,
)

const PIPELINES: Pipeline[] = [
  { name: 'in_port -> output, 1 flow', flows: ['in_port=1,actions=output:2'], tuples: 1 },
  { name: 'in_port -> output, 100 k 5-tuples', flows: ['in_port=1,actions=output:2'], tuples: 100_000 },
  { name: 'NORMAL, VLAN access -> access, 1 k flows', flows: ['actions=normal'], tuples: 1000 },
  {
    name: 'push VLAN, 1 k flows',
    flows: ['in_port=1,actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:2'],
    tuples: 1000,
  },
  { name: '1,000 ACL rules not hit, 1 k flows', flows: [...ACL, 'priority=1,actions=output:2'], tuples: 1000 },
]

export async function switchRows(): Promise<Row[]> {
  const rows: Row[] = []
  for (const pipeline of PIPELINES)
    rows.push(await measure(`switch: ${pipeline.name}`, 'frames/s', RUNS, () => run(pipeline)))
  return rows
}

async function run({ flows, tuples }: Pipeline): Promise<number> {
  const { bridge, arena } = makeSwitch(flows)
  const frames = Array.from({ length: Math.min(tuples, FRAMES) }, (_, tuple) => frameOf(tuple))
  const vector: FrameHandle[] = []
  const seconds = await secondsOf(() => {
    for (let sent = 0; sent < FRAMES; sent += VECTOR) {
      for (let index = 0; index < VECTOR; index++)
        vector[index] = arena.allocateFrom(frames[(sent + index) % frames.length]!)
      bridge.receive(vector, VECTOR, 1)
    }
  })
  return FRAMES / seconds
}

function makeSwitch(flows: string[]): { bridge: Switch; arena: FrameArena } {
  const arena = new FrameArena()
  const bridge = new Switch({
    name: 'bench/br0',
    host: 'bench',
    datapathId: 1n,
    arena,
    clock: new VirtualClock(),
    events: { transmit: (_port, frame) => arena.release(frame), drop: () => {}, message: () => {} },
  })
  for (const number of [1, 2])
    bridge.ports.add({ number, name: `p${number}`, type: 'uplink', vlanMode: 'access', tag: 10, state: 'open' })
  bridge.tables.applyBundle(
    flows.map((text): FlowMod => ({ type: 'flowMod', command: 'add', cookieMask: 0n, ...parseFlow(text) })),
  )
  return { bridge, arena }
}

const frameOf = (tuple: number): Uint8Array =>
  udpFrame({
    ethSrc: 0x020000000001n,
    ethDst: 0x020000000002n,
    ipSrc: 0x0a000000 + (tuple >>> 10),
    ipDst: 0x0a640000,
    srcPort: 1024 + (tuple & 1023),
    dstPort: 9,
    payload: new Uint8Array(18),
  })
