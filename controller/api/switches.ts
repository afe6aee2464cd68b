import { PORT_STATES } from '../../protocols/control/messages.ts'
import { Type } from 'typebox'
import { formatIpv4, formatMac } from '../../protocols/address.ts'
import type { PortDescription, TunnelOptions } from '../../protocols/control/messages.ts'
import type { Controller } from '../controller.ts'
import type { SwitchStatus } from '../model.ts'
import { switchNamed } from '../switch-named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, flag, optional, SwitchParams, text } from './schemas.ts'

const VLAN_MODES = ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'] as const

const flowOr = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Literal('flow')])
const inheritOr = Type.Union([count('Its value.'), Type.Literal('inherit')])

const SwitchPort = closed({
  number: count('OpenFlow number.'),
  name: text('Its name; flows may use it.'),
  type: choice(['vnic', 'patch', 'tunnel', 'uplink', 'local', 'dgram', 'capture'], 'What is behind it.'),
  mac: text('Hardware address of the port itself.'),
  state: choice([...PORT_STATES], 'What it lets through.'),
  linkUp: flag('Whether its link is up.'),
  vlanMode: optional(choice([...VLAN_MODES], 'As Open vSwitch names them.')),
  tag: optional(count('Access or native VLAN.')),
  trunks: optional(Type.Array(count('VLAN.'))),
  cvlans: optional(Type.Array(count('Customer VLAN.'))),
  maxRate: optional(count('What all its queues together may send, in bits a second.')),
  mtu: optional(count('Largest Ethernet payload in bytes.')),
  tunnel: optional(
    closed({
      localIp: text('Local endpoint.'),
      remoteIp: flowOr(text('Remote endpoint.')),
      key: flowOr(count('VXLAN network identifier.')),
      destinationPort: optional(count('UDP port.')),
      ttl: optional(inheritOr),
      tos: optional(inheritOr),
    }),
  ),
  patchPeer: optional(closed({ switch: text('Switch at the other end.'), port: text('Port at the other end.') })),
})

const SwitchReport = closed({
  name: text('As h1/br-int.'),
  host: text('Host that it is on.'),
  datapathId: Type.String({ pattern: '^[0-9a-f]{16}$', description: 'Datapath id, 16 hexadecimal digits.' }),
  connected: flag('Whether it is connected to the controller.'),
  inSync: flag('Everything desired is there and confirmed by a barrier.'),
  problem: optional(text('What is pending, or what the switch refused.')),
  flows: count('Flows that it is meant to have.'),
  ports: Type.Array(SwitchPort),
})

export function switchRoutes(api: Api, controller: Controller): void {
  api.get(
    '/switches',
    { schema: { tags: ['switches'], summary: 'All switches', response: { 200: Type.Array(SwitchReport) } } },
    async () => controller.switches().map(reportOf),
  )
  api.get(
    '/switches/:host/:bridge',
    { schema: { tags: ['switches'], summary: 'One switch', params: SwitchParams, response: { 200: SwitchReport } } },
    async ({ params: { host, bridge } }) => reportOf(switchNamed(controller, `${host}/${bridge}`)),
  )
}

const reportOf = ({ datapathId, ports, ...status }: SwitchStatus): Type.Static<typeof SwitchReport> => ({
  ...status,
  datapathId: datapathId.toString(16).padStart(16, '0'),
  ports: ports.map(portOf),
})

const portOf = ({
  mac,
  tunnel,
  flags: _flags,
  queues: _queues,
  ...port
}: PortDescription): Type.Static<typeof SwitchPort> => ({
  ...port,
  mac: formatMac(mac),
  ...(tunnel && { tunnel: tunnelOf(tunnel) }),
})

const tunnelOf = ({ localIp, remoteIp, ...rest }: TunnelOptions) => ({
  ...rest,
  localIp: formatIpv4(localIp),
  remoteIp: remoteIp === 'flow' ? remoteIp : formatIpv4(remoteIp),
})
