// What was followed, for people and for programs.

import type { TraceStep } from '../../datapath/trace/trace.ts'
import { formatTrace } from '../../datapath/trace/trace.ts'
import type { FollowedFrame } from './follow.ts'

/** A trace for each switch, then where the copies are heard and where they end. */
export function formatFollowed({ hops, deliveries, drops }: FollowedFrame): string {
  const parts = hops.map(({ switch: name, inPort, from, trace }) => {
    const title = `${name}, in port ${inPort}, from ${from}`
    return `${title}\n${'='.repeat(title.length)}\n${formatTrace(trace)}`
  })
  const ends = [
    ...deliveries.map(({ nic, frame }) => `heard by ${nic} (${frame.length} bytes)`),
    ...drops.map(({ place, name }) => `dropped at ${place}: ${name}`),
  ]
  return `${[...parts, ends.length === 0 ? 'nobody hears it' : ends.join('\n')].join('\n')}\n`
}

export interface FollowedReport {
  hops: { switch: string; inPort: number; from: string; outputs: number[]; steps: TraceStep[] }[]
  deliveries: { nic: string; frame: string }[]
  drops: { place: string; name: string }[]
}

export const reportFollowed = ({ hops, deliveries, drops }: FollowedFrame): FollowedReport => ({
  hops: hops.map(({ switch: name, inPort, from, trace }) => ({
    switch: name,
    inPort,
    from,
    outputs: trace.outputs.map(({ port }) => port),
    steps: trace.steps,
  })),
  deliveries: deliveries.map(({ nic, frame }) => ({ nic, frame: Buffer.from(frame).toString('hex') })),
  drops,
})
