// What people write, defined once: the JSON Schemas (draft 2020-12) that are shipped and the types of what they admit.
// `npx tsx scripts/write-schemas.ts` writes the files. A `title` says what is expected where a value is refused.

import { Type } from 'typebox'
import * as units from './units.ts'

const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

const closed = <Properties extends Type.TProperties>(properties: Properties, options: Type.TObjectOptions = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options })
const optional = Type.Optional
const quantity = (title: string, pattern: string) => (description: string) =>
  Type.String({ title, pattern, description })
const positive = (pattern: string) => `^(?=.*[1-9])${pattern.slice(1)}`

const duration = quantity(units.DURATION_EXPECTED, units.DURATION_PATTERN)
const rate = quantity(`${units.RATE_EXPECTED}, more than 0`, positive(units.RATE_PATTERN))
const size = quantity(`${units.SIZE_EXPECTED}, more than 0`, positive(units.SIZE_PATTERN))
const name = (description: string) =>
  Type.String({
    title: "a name: letters, digits, '.', '_' and '-', at most 63, the first a letter or digit",
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
    description,
  })
const mac = (description: string) =>
  Type.String({
    title: 'a MAC address: six octets, as 02:00:00:00:00:01',
    pattern: '^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$',
    description,
  })
const text = (description: string) => Type.String({ minLength: 1, description })
const integer = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ title: `a whole number from ${minimum} to ${maximum}`, minimum, maximum, description })
const addresses = (description: string) => Type.Array(Type.String(), { description })
const pair = (description: string) =>
  Type.Array(Type.String(), { title: 'two names', minItems: 2, maxItems: 2, description })
/** Exactly one of these keys. */
const oneKeyOf = (...keys: string[]) => ({ oneOf: keys.map((key) => ({ required: [key] })) })

/** Which of two schemas counts follows from the value, so that a mistake is held against the one that was meant. */
const inCase = (condition: object, whenTrue: object, otherwise: object) => ({
  if: condition,
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: whenTrue,
  else: otherwise,
})
const ifObject = (whenTrue: object, otherwise: object) => ({
  type: ['string', 'object'],
  ...inCase({ type: 'object' }, whenTrue, otherwise),
})

const MTU = { least: 68, most: 65_535 }
const LARGEST_COUNT = 1_000_000_000

// ---- Topology ------------------------------------------------------------------------------------------------------

export const VLAN_MODES = ['access', 'trunk', 'native-tagged', 'native-untagged'] as const
export const NETWORK_TYPES = ['vlan', 'vxlan', 'flat'] as const

const linkProperties = {
  bandwidth: optional(rate('Bits a second each way. Default: unlimited.')),
  delay: optional(duration('Time one way. Default: 0us.')),
  jitter: optional(duration('Each frame is late by a uniform draw from 0 to this. Default: 0us.')),
  loss: optional(
    Type.Number({
      title: 'a probability from 0 to 1',
      minimum: 0,
      maximum: 1,
      description: 'Probability that a frame is lost. Default: 0.',
    }),
  ),
  mtu: optional(integer(MTU.least, MTU.most, 'Largest Ethernet payload in bytes. Default: 9000.')),
  queue: optional(integer(0, LARGEST_COUNT, 'Frames that may wait for the link. Default: 1000.')),
}

const Bridge = closed({
  name: name('Name of the bridge.'),
  peer: optional(name('Bridge of the same host that it is patched to. Absent for the first bridge alone.')),
})

const Host = closed({
  name: name('Name of the host, unique among hosts and fabric switches.'),
  vtep: optional(
    Type.String({
      description: 'IPv4 address of the VXLAN tunnel endpoint. Needed where a vNIC of a vxlan network is.',
    }),
  ),
  bridges: optional(
    Type.Array(Bridge, {
      minItems: 1,
      description:
        'Bridges of the host. The first is the integration bridge, with uplink and tunnel. Default: one, br-int.',
    }),
  ),
})

const Fabric = closed(
  {
    switches: Type.Array(closed({ name: name('Name of the switch, unique among hosts and fabric switches.') }), {
      description: 'Switches of the physical network.',
    }),
    links: Type.Array(
      closed({ endpoints: pair('The two hosts or fabric switches that the link joins.'), ...linkProperties }),
      { description: 'Links of the physical network.' },
    ),
  },
  { description: 'The physical network. Absent: all hosts share one ideal switch, named `fabric`.' },
)

const Network = closed({
  name: name('Name of the network.'),
  type: Type.Enum([...NETWORK_TYPES], {
    description: 'How the network is kept apart on the wire. One network at most is flat: untagged.',
  }),
  segment: optional(integer(1, 2 ** 24 - 1, 'VLAN id from 1 to 4094, or VXLAN network identifier. Not for flat.')),
  mtu: optional(
    integer(
      MTU.least,
      MTU.most,
      'Largest Ethernet payload of its guests in bytes. VXLAN adds 50 on the fabric. Default: 1500.',
    ),
  ),
  subnets: optional(
    Type.Array(closed({ cidr: Type.String({ description: 'IPv4 or IPv6 prefix, as 10.0.10.0/24.' }) }), {
      description: 'Where there are any, addresses of vNICs lie within one of them (IPv6 link-local ones excepted).',
    }),
  ),
})

const Policy = closed(
  {
    portSecurity: optional(
      Type.Boolean({ description: "Frames must wear the vNIC's own MAC and addresses. Default: true." }),
    ),
    ingressRate: optional(rate('What the VM may send. Default: unlimited.')),
    egressRate: optional(rate('What the VM may receive. Default: unlimited.')),
    ingressBurst: optional(
      size('What may pass at once over ingressRate. Default: 10 ms of the rate, at least 12144b.'),
    ),
    egressBurst: optional(size('What may pass at once over egressRate. Default: 10 ms of the rate, at least 12144b.')),
    dscp: optional(integer(0, 63, 'DSCP put on what the VM sends. Default: left as it is.')),
  },
  { description: 'What the vNIC may do.' },
)

const Subport = closed({
  tag: integer(1, 4094, "VLAN id on the guest's side."),
  network: name('Network behind the tag.'),
  mac: optional(mac("MAC address of the sub-port. Default: the vNIC's own.")),
  addresses: optional(addresses('IPv4 and IPv6 addresses of the sub-port.')),
})

const Nic = closed({
  name: name('Name of the vNIC within its VM. Elsewhere it is called by both: web1:eth0.'),
  network: optional(name('Network of untagged frames. Absent for a trunk without a native network.')),
  bridge: optional(name("Bridge of the host that it is on. Default: the host's integration bridge.")),
  mac: optional(
    mac(
      "MAC address. Default: a locally administered one that follows from the vNIC's full name: 02 and five octets of its SHA-256.",
    ),
  ),
  addresses: optional(addresses('IPv4 and IPv6 addresses.')),
  vlanMode: optional(
    Type.Enum([...VLAN_MODES], {
      description:
        'As Open vSwitch names them. Default: access without trunks; with trunks, native-untagged where there is a network, else trunk.',
    }),
  ),
  tag: optional(
    integer(
      1,
      4094,
      'Native-tagged only: the tag of the native network on this vNIC. Default: the segment of a vlan network.',
    ),
  ),
  trunks: optional(Type.Array(Subport, { description: 'Networks that the guest reaches by tag.' })),
  policy: optional(Policy),
})

const Vm = closed({
  name: name('Name of the VM.'),
  host: name('Host on which it runs.'),
  nics: Type.Array(Nic, { description: 'Its vNICs.' }),
})

const heading = {
  $schema: optional(Type.String({ description: 'Where this schema is, for editors.' })),
  version: Type.Literal(1, { title: '1', description: 'Version of this format.' }),
  name: optional(text("Name of the topology. Default: the file's.")),
}

const Written = closed({
  ...heading,
  hosts: Type.Array(Host, { description: 'Machines that run VMs.' }),
  fabric: optional(Fabric),
  networks: optional(Type.Array(Network, { description: 'Virtual networks.' })),
  vms: optional(Type.Array(Vm, { description: 'Virtual machines.' })),
})

const Shaped = closed({
  ...heading,
  shape: Type.String({
    title: "a stock shape: 'single,N', 'linear,N', 'tree,D,F' or 'leaf-spine,S,L'",
    description:
      'A stock shape, as Mininet names them: single,N (hosts), linear,N (switches), tree,D,F (depth, fan-out), leaf-spine,S,L (spines, leaves).',
  }),
  hostsPerLeaf: optional(
    integer(1, 4096, 'Hosts on each leaf switch of leaf-spine and each switch of linear. Default: 1.'),
  ),
  vmsPerHost: optional(integer(1, 4096, 'VMs on each host. Default: 1.')),
  networks: optional(integer(1, 256, 'Number of networks, given to the VMs in turn. Default: 1.')),
  type: optional(Type.Enum([...NETWORK_TYPES], { description: 'Type of the networks. Default: vlan.' })),
  link: optional(closed(linkProperties, { description: 'What all links of the fabric are like.' })),
})

export type WrittenTopology = Type.Static<typeof Written>
export type WrittenHost = Type.Static<typeof Host>
export type WrittenFabric = Type.Static<typeof Fabric>
export type WrittenLink = WrittenFabric['links'][number]
export type WrittenNetwork = Type.Static<typeof Network>
export type WrittenVm = Type.Static<typeof Vm>
export type WrittenNic = Type.Static<typeof Nic>
export type WrittenSubport = Type.Static<typeof Subport>
export type WrittenPolicy = Type.Static<typeof Policy>
export type WrittenShape = Type.Static<typeof Shaped>

/** Stands beside the topology schema, so that editors find the one from the other. */
const TOPOLOGY_ID = 'topology.schema.json'

export const topologySchema = {
  $schema: DIALECT,
  $id: TOPOLOGY_ID,
  title: 'a topology',
  description: 'A virtual network for Signalbox: hosts, fabric, networks and VMs, or a stock shape.',
  type: 'object',
  ...inCase({ required: ['shape'] }, Shaped, Written),
}

// ---- Scenario ------------------------------------------------------------------------------------------------------

const topologyOr = (description: string) =>
  Type.Unsafe<string | object>({
    title: 'a path, a stock shape or a topology',
    description,
    ...ifObject({ $ref: TOPOLOGY_ID }, { minLength: 1 }),
  })

const FrameMap = Type.Unsafe<'source-mac' | 'source-ip' | 'vlan' | 'pcapng-interface' | Record<string, string>>({
  title: "'source-mac', 'source-ip', 'vlan', 'pcapng-interface' or an object from filters to vNICs",
  description:
    'How a captured frame finds the vNIC it enters at: by what it wears, by the name of its interface in the capture, or by filters in flow syntax. Default: source-mac.',
  ...ifObject(
    { additionalProperties: { type: 'string', title: 'the name of a vNIC' } },
    { enum: ['source-mac', 'source-ip', 'vlan', 'pcapng-interface'] },
  ),
})

const nicName = (description: string) => text(`${description} \`web1:eth0\`, or \`web1\` where the VM has one vNIC.`)

const Replay = closed(
  {
    capture: text('A pcap or pcapng file, relative to the scenario.'),
    map: optional(FrameMap),
    speed: optional(
      Type.Number({
        title: 'a number above 0',
        exclusiveMinimum: 0,
        description: 'Speed-up over the times in the capture. Default: 1.',
      }),
    ),
  },
  { description: 'Frames of a capture enter at their vNICs, each at its time.' },
)

const Ping = closed(
  {
    from: nicName('vNIC that asks.'),
    to: nicName('vNIC that answers.'),
    count: optional(integer(1, LARGEST_COUNT, 'Requests. Default: 1.')),
    interval: optional(duration('Time between two requests. Default: 1s.')),
    expect: optional(
      Type.Enum(['reachable', 'unreachable'], { description: 'What must come of it. Default: anything.' }),
    ),
  },
  { description: 'ICMP echo between two vNICs.' },
)

const Send = closed(
  {
    from: nicName('vNIC that sends.'),
    frame: text('The frame, in flow syntax (udp,nw_dst=10.0.0.2,tp_dst=9) or hexadecimal.'),
    count: optional(integer(1, LARGEST_COUNT, 'Frames. Default: 1.')),
    rate: optional(
      Type.Number({ title: 'a number above 0', exclusiveMinimum: 0, description: 'Frames a second. Default: 1000.' }),
    ),
  },
  { description: 'A vNIC sends frames.' },
)

const Migrate = closed(
  {
    vm: name('VM to move.'),
    to: name('Host to move it to.'),
    pause: optional(duration('How long the guest stands still. Default: 30ms.')),
  },
  { description: 'A VM moves to another host.' },
)

const FlowCommand = closed(
  {
    switch: text('`h1/br-int`, or `h1` for its integration bridge.'),
    add: optional(text('Flow to add, in ovs-ofctl syntax.')),
    del: optional(text('Match of the flows to delete, in ovs-ofctl syntax.')),
  },
  { description: 'A user adds or deletes flows.', ...oneKeyOf('add', 'del') },
)

const Target = (what: string) =>
  Type.Unsafe<'controller' | { link?: string[]; host?: string }>({
    title: '\'controller\', {"link": […]} or {"host": …}',
    description: `What ${what}: the controller, a link or a host.`,
    ...ifObject(
      closed(
        { link: optional(pair('The two ends of the link.')), host: optional(name('Name of the host.')) },
        oneKeyOf('link', 'host'),
      ),
      { enum: ['controller'] },
    ),
  })

const steps = {
  replay: optional(Replay),
  ping: optional(Ping),
  pingall: optional(closed({}, { description: 'Every vNIC pings every other of its networks.' })),
  send: optional(Send),
  migrate: optional(Migrate),
  flow: optional(FlowCommand),
  apply: optional(topologyOr('The topology to change to: path, stock shape or the topology itself.')),
  fail: optional(Target('fails')),
  heal: optional(Target('works again')),
}

const TimelineEntry = closed(
  {
    at: duration(
      'When, from the start. Entries may stand in any order; those of one instant happen in the order of the file.',
    ),
    ...steps,
  },
  oneKeyOf(...Object.keys(steps)),
)

const between = (description: string) => closed({ from: nicName('Sender.'), to: nicName('Receiver.') }, { description })

const expectations = {
  isolated: optional(
    Type.Array(name('Network.'), {
      minItems: 2,
      uniqueItems: true,
      description: 'No frame of one of these networks is heard in another.',
    }),
  ),
  delivered: optional(between('Every frame from one vNIC to the other arrives.')),
  notDelivered: optional(between('No frame from one vNIC to the other arrives.')),
  policyFollows: optional(name("After its migrations the VM's ports have the policy they had before.")),
  dropped: optional(
    closed(
      {
        reason: text('Name of the reason to drop.'),
        atLeast: optional(integer(0, LARGEST_COUNT, 'Default: 0 where atMost is given, else 1.')),
        atMost: optional(integer(0, LARGEST_COUNT, 'Default: any number.')),
      },
      { description: 'Frames are dropped under this name.' },
    ),
  ),
}

const Expectation = closed(
  {
    ...expectations,
    lost: optional(integer(0, LARGEST_COUNT, 'With delivered: frames that may be lost. Default: 0.')),
    duplicated: optional(integer(0, LARGEST_COUNT, 'With delivered: frames that may arrive twice. Default: 0.')),
  },
  { ...oneKeyOf(...Object.keys(expectations)), dependentRequired: { lost: ['delivered'], duplicated: ['delivered'] } },
)

const WrittenScenarioSchema = closed({
  $schema: heading.$schema,
  name: optional(text("Name of the scenario. Default: the file's.")),
  topology: topologyOr(
    'The network: a path relative to the scenario, a stock shape (linear,4) or the topology itself.',
  ),
  seed: optional(integer(0, 2 ** 32 - 1, 'What chance starts from. Default: 1.')),
  timeline: optional(Type.Array(TimelineEntry, { description: 'What happens.' })),
  expect: optional(
    Type.Array(Expectation, { description: 'What must come of it, beside no leak, loss, doubling or reordering.' }),
  ),
})

export type WrittenScenario = Type.Static<typeof WrittenScenarioSchema>
export type WrittenEntry = Type.Static<typeof TimelineEntry>
export type WrittenExpectation = Type.Static<typeof Expectation>
export type WrittenTarget = NonNullable<WrittenEntry['fail']>

export const scenarioSchema = {
  $schema: DIALECT,
  $id: 'scenario.schema.json',
  title: 'a scenario',
  description: 'What happens to a virtual network and what must come of it, for Signalbox.',
  ...WrittenScenarioSchema,
}
