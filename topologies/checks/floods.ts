import type { TopologyDraft } from '../draft.ts'
import { attachmentsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { pointer } from '../problems.ts'

/**
 * A sender's switch makes all copies of a broadcast. As Open vSwitch it carries out so many actions for a frame and no more (8192 here;
 * that has 64 kB), and drops the frame where there would be more.
 */
export const MOST_COPIES = 8000

/** A broadcast reaches everybody: those on the sender's host, and, on an overlay, all other hosts with the network. */
export function checkFloods(topology: TopologyDraft, report: Report): void {
  const places = attachedByHost(topology)
  for (const [index, { name = '', type }] of (topology.networks ?? []).entries()) {
    const here = places.get(name) ?? new Map<string, number>()
    const [host, vnics] = [...here].reduce((most, one) => (one[1] > most[1] ? one : most), ['', 0])
    const hosts = type === 'vxlan' ? here.size : 0
    if (hosts + vnics <= MOST_COPIES) continue
    const others = hosts === 0 ? '' : `${hosts} hosts and `
    report(
      pointer('networks', index),
      `${others}${vnics} vNICs of '${name}' at ${host} would each be sent a copy of a broadcast by one switch`,
      `at most ${MOST_COPIES} copies`,
    )
  }
}

/** By network and host, how many vNICs are in it. */
function attachedByHost(topology: TopologyDraft): Map<string, Map<string, number>> {
  const places = new Map<string, Map<string, number>>()
  for (const { network, placed } of attachmentsOf(topology)) {
    const { host } = placed.vm
    if (network === undefined || host === undefined) continue
    const here = places.get(network) ?? new Map<string, number>()
    places.set(network, here.set(host, (here.get(host) ?? 0) + 1))
  }
  return places
}
