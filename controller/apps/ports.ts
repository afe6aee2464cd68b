// The ports that a switch is to have, but for those its host makes. VLAN modes and tags matter only to a user's flow that
// says NORMAL: for that they are what `ovs-vsctl` would set.

import { parseIpv4 } from '../../protocols/address.ts'
import type { PortConfig } from '../../protocols/control/messages.ts'
import { defaultBurst } from '../../topologies/defaults.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Binding } from '../network/bindings.ts'
import { placesOf } from '../network/bindings.ts'
import type { SwitchView } from '../network/view.ts'
import { Memory } from './memory.ts'
import { uplinkPort } from './uplink.ts'
import { DEAD_VLAN, patchName, TUNNEL_PORT } from '../network/view.ts'

/** By name; a vNIC's state is what it is to be once its flows are confirmed. */
export function ports(at: SwitchView): Map<string, PortConfig> {
  const vnics = at.bindings.flatMap((binding) => vnicPorts(at, binding))
  const all = [...uplinkPort(at), ...tunnelPort(at), ...patchPorts(at), ...vnics, ...filePorts(at)]
  return new Map(all.map((port) => [port.name, port]))
}

function tunnelPort({ integration, host: { vtep }, showsDscp }: SwitchView): PortConfig[] {
  if (!integration || vtep === undefined) return []
  const tos = showsDscp ? ({ tos: 'inherit' } as const) : {}
  const tunnel = { localIp: parseIpv4(vtep), remoteIp: 'flow', key: 'flow', ...tos } as const
  return [{ number: TUNNEL_PORT, name: 'vxlan0', type: 'tunnel', tunnel, state: 'open' }]
}

const patchPorts = ({ bridge, patches }: SwitchView): PortConfig[] =>
  patches.map(({ name, number, peer }) => ({
    number,
    name,
    type: 'patch',
    patchPeer: { switch: peer, port: patchName(bridge) },
    state: 'open',
  }))

const filePorts = ({ mirrors: { files } }: SwitchView): PortConfig[] =>
  [...files].map(([name, number]) => ({ number, name, type: 'capture', state: 'open' }))

function vnicPorts(at: SwitchView, binding: Binding): PortConfig[] {
  const network = at.networks.get(binding.nic.network ?? '')?.network
  return known.recall(binding, at.name, [at.localTags, network], () =>
    placesOf(binding)
      .filter((place) => place.switch === at.name)
      .map(({ port, state, hold, activation }) => ({
        number: port,
        name: binding.nic.id,
        type: 'vnic',
        ...vlanAttributes(at, binding),
        ...limitsOf(at, binding),
        ...(hold && { hold }),
        ...(state === 'hold' && activation && { activation: [...activation] }),
        state,
      })),
  )
}

const known = new Memory<PortConfig[]>()

/** What the VM receives: at most so much, and of what its network may receive here, at least so much. */
function limitsOf(at: SwitchView, { nic }: Binding): Pick<PortConfig, 'maxRate' | 'burst' | 'minRate' | 'share'> {
  const { egressRate, egressMinimum } = nic.policy
  const qos = nic.trunks.length > 0 ? undefined : at.networks.get(nic.network ?? '')?.network.qos
  const shared = qos?.egressRate
  return {
    ...(egressRate !== undefined && { maxRate: egressRate, burst: nic.policy.egressBurst ?? defaultBurst(egressRate) }),
    ...(shared !== undefined && egressMinimum !== undefined && { minRate: egressMinimum }),
    ...(shared !== undefined && {
      share: { name: nic.network!, maxRate: shared, burst: qos?.egressBurst ?? defaultBurst(shared) },
    }),
  }
}

function vlanAttributes(at: SwitchView, { nic }: Binding): Pick<PortConfig, 'vlanMode' | 'tag' | 'trunks'> {
  const native = nic.network === undefined ? undefined : at.localTags.get(nic.network)
  if (nic.vlanMode === 'access' || nic.vlanMode === 'dot1q-tunnel')
    return { vlanMode: nic.vlanMode, tag: native ?? DEAD_VLAN }
  const trunks = carriedTags(at, nic)
  if (native === undefined) return { vlanMode: 'trunk', trunks }
  return { vlanMode: nic.vlanMode === 'trunk' ? 'native-untagged' : nic.vlanMode, tag: native, trunks }
}

/** Only tags that mean the same to guest and host: NORMAL knows no other, and would join what is apart. */
function carriedTags(at: SwitchView, nic: Binding['nic']): number[] {
  const tags = attachmentsOf(nic)
    .filter(({ wears, network }) => wears !== 0 && at.localTags.get(network) === wears)
    .map(({ wears }) => wears)
  return tags.length > 0 ? tags : [DEAD_VLAN]
}
