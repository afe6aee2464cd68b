import type { Draft, TopologyDraft } from '../draft.ts'
import { nativeTagOf, nicsOf, vlanModeOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenNetwork, WrittenNic, WrittenPolicy } from '../schema/topology.ts'

/** Each vNIC's VLAN mode, network, tags and policy agree with each other. */
export function checkNics(topology: TopologyDraft, report: Report): void {
  const networks = new Map((topology.networks ?? []).map((network) => [network.name, network]))
  for (const { nic, at } of nicsOf(topology)) {
    const here = within(at, report)
    checkMode(nic, here)
    checkTags(nic, nic.network === undefined ? undefined : networks.get(nic.network), here)
    checkBursts(nic.policy ?? {}, here)
  }
}

function checkMode(nic: Draft<WrittenNic>, report: Report): void {
  const mode = vlanModeOf(nic)
  const hasTrunks = nic.trunks !== undefined && nic.trunks.length > 0
  if (mode === 'access' && hasTrunks)
    report('/trunks', 'an access vNIC with trunks', "vlanMode 'trunk' or 'native-untagged', or no trunks")
  if (mode !== 'access' && !hasTrunks)
    report('', `a ${mode} vNIC without trunks would hear every VLAN`, 'the networks it reaches in trunks')
  if (mode === 'trunk' && nic.network !== undefined)
    report(
      '/network',
      'a trunk has no network of its own',
      "vlanMode 'native-untagged' or 'native-tagged', or no network",
    )
  // Without addresses it may hear copies of a mirror.
  const mayListen = mode === 'access' && !hasTrunks && (nic.addresses ?? []).length === 0
  if (mode !== 'trunk' && nic.network === undefined && !mayListen)
    report('', `a vNIC of mode ${mode} without a network`, "a key 'network'")
}

function checkTags(nic: Draft<WrittenNic>, network: Draft<WrittenNetwork> | undefined, report: Report): void {
  const isTagged = vlanModeOf(nic) === 'native-tagged'
  const native = isTagged ? nativeTagOf(nic, network) : undefined
  if (!isTagged && nic.tag !== undefined) report('/tag', 'a tag on a vNIC that is not native-tagged', 'no tag')
  if (isTagged && network !== undefined && native === undefined)
    report('', `native-tagged on a ${network.type} network without a tag`, "a key 'tag'")
  const taken = new Set(native === undefined ? [] : [native])
  for (const [index, { tag }] of (nic.trunks ?? []).entries()) {
    if (tag === undefined) continue
    if (taken.has(tag))
      report(pointer('trunks', index, 'tag'), `tag ${tag} is already in use on this vNIC`, 'a tag of its own')
    taken.add(tag)
  }
}

function checkBursts(policy: Draft<WrittenPolicy>, report: Report): void {
  for (const way of ['ingress', 'egress'] as const)
    if (policy[`${way}Burst`] !== undefined && policy[`${way}Rate`] === undefined)
      report(`/policy/${way}Burst`, 'a burst over no rate', `a key '${way}Rate' beside it`)
}
