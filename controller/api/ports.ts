import { PORT_STATES } from '../../protocols/control/messages.ts'
import { Type } from 'typebox'
import type { PortStatistics } from '../../protocols/control/messages.ts'
import type { Nic } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { identified } from '../named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, flag, IdParams, optional, text, texts } from './schemas.ts'
import { ofTenant, PER_TENANT, tenantAsked, TenantQuery } from './tenants.ts'

const rate = (description: string) => optional(count(`${description} Bits a second; unlimited where absent.`))
const burst = (description: string) => optional(count(`${description} Bits.`))

const Port = closed({
  id: text('As web1:eth0.'),
  vm: text('VM that it belongs to.'),
  host: text('Host on which it is.'),
  switch: text('Switch that it is on.'),
  port: count('OpenFlow number.'),
  state: choice([...PORT_STATES], 'What it lets through; closed until its policy is in place.'),
  network: optional(text('Network of untagged frames.')),
  mac: text('MAC address.'),
  addresses: texts('IPv4 and IPv6 addresses.'),
  vlanMode: choice(
    ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'],
    'As Open vSwitch names them.',
  ),
  tag: optional(count('Native-tagged: the tag of the native network on this vNIC.')),
  trunks: Type.Array(
    closed({
      tag: count('Tag.'),
      network: text('Network behind it.'),
      mac: text('MAC address.'),
      addresses: texts('Addresses.'),
    }),
    { description: 'Networks that the guest reaches by tag.' },
  ),
  policy: closed({
    portSecurity: flag("Frames must wear the vNIC's own addresses."),
    ingressRate: rate('What the VM may send.'),
    egressRate: rate('What the VM may receive; what is beyond waits.'),
    ingressBurst: burst('What may be sent at once over the rate.'),
    egressBurst: burst('What may be received at once over the rate.'),
    ingressMinimum: optional(count('What the VM may count on to send to other hosts. Bits a second.')),
    egressMinimum: optional(count("What it may count on of its network's limit on the host. Bits a second.")),
    dscp: optional(count('DSCP put on what the VM sends.')),
    trustDscp: optional(flag('A DSCP that the guest has set stays.')),
    securityGroups: optional(texts('Security groups; nothing is filtered where absent.')),
    deny: optional(choice(['drop', 'reject'], 'What becomes of what they do not allow; drop where absent.')),
    allowedAddressPairs: optional(
      Type.Array(
        closed({
          prefix: text('Addresses.'),
          mac: optional(text("MAC address that goes with them; the vNIC's own where absent.")),
        }),
        { description: 'What the vNIC may wear beside its own.' },
      ),
    ),
  }),
})

const Statistics = closed(
  {
    receivedPackets: count('Frames that the VM sent.'),
    receivedBytes: count('Bytes of them.'),
    receivedDropped: count('Of them, dropped at the port.'),
    sentPackets: count('Frames that went to the VM.'),
    sentBytes: count('Bytes of them.'),
    sentDropped: count('Frames for the VM that were dropped at the port.'),
    held: count('Frames that wait in the port now.'),
  },
  { description: 'As the switch counts. Absent while the switch is away.' },
)

const CountedPort = closed({ ...Port.properties, statistics: optional(Statistics) })

export function portRoutes(api: Api, controller: Controller): void {
  api.get(
    '/ports',
    {
      config: PER_TENANT,
      schema: {
        tags: ['ports'],
        summary: "All vNICs' ports, or those of a tenant",
        querystring: TenantQuery,
        response: { 200: Type.Array(Port) },
      },
    },
    async ({ query, tenant, actor }) =>
      portsOf(controller, tenantAsked({ tenant, actor }, query.tenant, controller.topology)),
  )
  api.get(
    '/ports/:id',
    {
      config: PER_TENANT,
      schema: {
        tags: ['ports'],
        summary: "One vNIC's port, with what its switch has counted",
        params: IdParams,
        response: { 200: CountedPort },
      },
    },
    async ({ params, tenant }) => {
      const port = identified('port', portsOf(controller, tenant), params.id)
      const statistics = await statisticsOf(controller, port)
      return { ...port, ...(statistics && { statistics }) }
    },
  )
}

type PortReport = Type.Static<typeof Port>

function portsOf(controller: Controller, tenant: string | undefined): PortReport[] {
  const nics = new Map(controller.topology.vms.flatMap((vm) => vm.nics.map((nic) => [nic.id, nic])))
  return ofTenant(controller.vms(), ({ name }) => name, tenant).flatMap((vm) =>
    vm.nics.flatMap(({ id, switch: switchName, port, state }) => {
      const nic = nics.get(id)
      return nic === undefined ? [] : [{ ...configuredPort(nic), host: vm.host, switch: switchName, port, state }]
    }),
  )
}

function configuredPort(nic: Nic): Omit<PortReport, 'host' | 'switch' | 'port' | 'state'> {
  const { name: _, bridge: __, ...rest } = nic
  return rest
}

async function statisticsOf(controller: Controller, { switch: name, id }: PortReport) {
  if (!controller.switches().some((one) => one.name === name && one.connected)) return undefined
  const counted = (await controller.portStatistics(name)).find((port) => port.name === id)
  return counted && numbersOf(counted)
}

const numbersOf = ({ held, ...counted }: PortStatistics): Type.Static<typeof Statistics> => ({
  receivedPackets: Number(counted.receivedPackets),
  receivedBytes: Number(counted.receivedBytes),
  receivedDropped: Number(counted.receivedDropped),
  sentPackets: Number(counted.sentPackets),
  sentBytes: Number(counted.sentBytes),
  sentDropped: Number(counted.sentDropped),
  held,
})
