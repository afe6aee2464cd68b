// Mirrors: copies of what vNICs say and hear, for somebody who looks on. Directions are Open Virtual Network's.

import { Type } from 'typebox'
import { closed, integer, name, oneKeyOf, optional, scopedName, text } from './parts.ts'
import { tenant } from './tenants.ts'

export const MIRROR_DIRECTIONS = ['from-lport', 'to-lport', 'both'] as const

const vnic = (description: string) =>
  optional(text(`${description} \`web1:eth0\`, or \`web1\` where the VM has one vNIC.`))

/** Of a file, and never of a folder: no topology chooses where a host writes. */
const captureName = Type.String({
  title: "a name of a file: letters, digits, '.', '_' and '-', at most 63, the first a letter or digit, then .pcapng",
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[.]pcapng$',
  description:
    'Name of a pcapng: each host writes what it copies itself, in the folder that `signalbox host --captures` names; a replay writes one, in that of `replay --captures`.',
})

export const Mirror = closed({
  name: name('Name of the mirror.'),
  tenant: tenant('mirror'),
  source: closed(
    {
      port: vnic('vNIC.'),
      network: optional(scopedName('Network: all vNICs that are on it, and what they say and hear there.')),
    },
    { description: 'Of whose frames there are copies.', ...oneKeyOf('port', 'network') },
  ),
  direction: optional(
    Type.Enum([...MIRROR_DIRECTIONS], {
      description: 'from-lport: what a vNIC says. to-lport: what it hears. Default: both.',
    }),
  ),
  target: closed(
    {
      port: vnic('vNIC that hears them, and nothing else: it has no network.'),
      segment: optional(
        integer(1, 2 ** 24 - 1, "VXLAN network identifier by which copies go to the vNIC's host; no network's."),
      ),
      vlan: optional(integer(1, 4094, "VLAN with which they leave each host by its uplink; no network's.")),
      file: optional(captureName),
    },
    {
      description: 'Where the copies go.',
      ...oneKeyOf('port', 'vlan', 'file'),
      dependentRequired: { port: ['segment'], segment: ['port'] },
    },
  ),
})

export type WrittenMirror = Type.Static<typeof Mirror>
