// Writes the capture of the example shared-uplink: three flows, made up, that ask for nearly twice what an uplink carries.

import { writeFileSync } from 'node:fs'
import { PcapWriter } from '../protocols/capture/pcap-writer.ts'
import { parseIpv4 } from '../protocols/address.ts'
import { udpFrame } from '../protocols/packet/compose.ts'

const SPAN = 60_000_000
const START = 1_700_000_000_000_000_000n

interface Flow {
  ethSrc: bigint
  ethDst: bigint
  ipSrc: string
  ipDst: string
  /** Bits a second, and bytes of a frame. */
  rate: number
  length: number
}

const FLOWS: Flow[] = [
  { ethSrc: 0x020000000a01n, ethDst: 0x020000000a02n, ipSrc: '10.0.10.1', ipDst: '10.0.10.2', rate: 5e6, length: 250 },
  { ethSrc: 0x020000001401n, ethDst: 0x020000001402n, ipSrc: '10.0.20.1', ipDst: '10.0.20.2', rate: 12e6, length: 250 },
  { ethSrc: 0x020000001e01n, ethDst: 0x020000001e02n, ipSrc: '10.0.30.1', ipDst: '10.0.30.2', rate: 1e6, length: 100 },
]

const frames = FLOWS.flatMap(({ ipSrc, ipDst, rate, length, ...link }) => {
  const addresses = { ...link, ipSrc: parseIpv4(ipSrc), ipDst: parseIpv4(ipDst), srcPort: 5000, dstPort: 5001 }
  const bytes = udpFrame({ ...addresses, payload: new Uint8Array(length - 42) })
  const gap = Math.round((length * 8e9) / rate)
  return Array.from({ length: Math.ceil(SPAN / gap) }, (_, index) => ({ at: index * gap, bytes }))
})
const parts: Uint8Array[] = []
const writer = new PcapWriter((bytes) => void parts.push(bytes))
for (const { at, bytes } of frames.sort((a, b) => a.at - b.at)) writer.write(START + BigInt(at), bytes)
writeFileSync(new URL('../topologies/examples/captures/shared-uplink.pcap', import.meta.url), Buffer.concat(parts))
