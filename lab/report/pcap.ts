// The run as a capture: an interface for each vNIC and uplink, a comment on each frame.

import type { Hop } from '../../datapath/emulator/trail.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import type { Hearing } from '../judge/judge.ts'
import type { LabObserver } from '../lab.ts'
import { Witness } from '../recorder.ts'

/** Writes the frames of a run to `sink` as pcapng, in the order in which they passed. */
export function pcapObserver(sink: (bytes: Uint8Array) => void): LabObserver {
  const witness = new Witness(sink)
  return {
    sent: (at, nic, id, bytes) => witness.write(nic, at, bytes, `frame ${id} sent`),
    heard: (at, nic, id, bytes, hearing, hops) => witness.write(nic, at, bytes, comment(id, hearing, hops())),
    uplink: (at, host, direction, bytes) => witness.write(`${host}/uplink`, at, bytes, direction),
  }
}

function comment(id: number, hearing: Hearing, hops: readonly Hop[]): string {
  const path = [...new Set(hops.map(({ node }) => node))].join(' -> ')
  const rule = hops.findLast(({ flow }) => flow !== undefined)?.flow
  return `frame ${id} ${hearing}; ${path}${rule === undefined ? '' : `; ${printFlow(rule.spec).trim()}`}`
}
