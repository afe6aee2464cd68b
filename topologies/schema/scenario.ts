// What a scenario reads as: the JSON Schema that is shipped and the types of what it admits.

import { Type } from 'typebox'
import {
  DIALECT,
  closed,
  optional,
  duration,
  name,
  scopedName,
  text,
  integer,
  pair,
  oneKeyOf,
  LARGEST_COUNT,
  ifObject,
} from './parts.ts'
import { Hold } from './hold.ts'
import { TOPOLOGY_ID, heading } from './topology.ts'

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
      Type.Enum(['reachable', 'unreachable'], {
        description:
          'What must come of it. Default: what the topology says. Reachable where both are in one network, have addresses of one family, and their security groups let the ping through.',
      }),
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

const frames = (what: string) => optional(integer(0, LARGEST_COUNT, `Frames ${what}, at most.`))

const Budget = closed(
  {
    blackout: optional(duration("From the guest's pause to its going on, at most.")),
    held: frames('kept for it'),
    redirected: frames('that came to the source after it had gone on'),
    lost: frames('from or to it lost'),
    duplicated: frames('heard twice'),
    reordered: frames('overtaken'),
    misdelivered: frames('heard by whom they are not for'),
  },
  { description: 'What the move may come to. The scenario fails where it comes to more.' },
)

const Migrate = closed(
  {
    vm: scopedName('VM to move.'),
    to: name('Host to move it to.'),
    pause: optional(duration('How long the guest stands still. Default: 30ms.')),
    hold: optional(Hold),
    redirect: optional(
      duration('How long frames are brought after the guest whose senders can not be told of the move. Default: 5s.'),
    ),
    activation: optional(
      Type.Array(Type.Enum(['rarp', 'garp', 'na', 'timeout'], { description: 'What may show it.' }), {
        minItems: 1,
        description:
          'The guest is let in at the destination only once one of these has shown that it goes on there: a frame of its own, or time. Default: once it has been told to.',
      }),
    ),
    activationTimeout: optional(duration('After how long timeout does. Default: 10s.')),
    budget: optional(Budget),
    replace: optional(
      Type.Boolean({
        description:
          'Where the VM moves already: that move is undone first, if it still can be. Default: this one waits for its end.',
      }),
    ),
    expect: optional(
      Type.Enum(['done', 'aborted', 'failed'], {
        description:
          'How it must end. done: the VM is at its destination, with its policy. aborted: it is where it was, all is as before. failed: it is where it was, and the destination was not there to be tidied up. Default: done.',
      }),
    ),
  },
  { description: 'A VM moves to another host.' },
)

const Drain = closed(
  {
    host: name('Host that its VMs are to leave.'),
    parallel: optional(integer(1, 1000, 'VMs that move at the same time. Default: 4.')),
    pause: optional(duration('How long each guest stands still. Default: 30ms.')),
    budget: optional(Budget),
  },
  {
    description:
      'A host is closed to new VMs, and its VMs move to the least busy of the others; a budget is that of each move.',
  },
)

const Rebalance = closed(
  {
    parallel: optional(integer(1, 1000, 'VMs that move at the same time. Default: 4.')),
    pause: optional(duration('How long each guest stands still. Default: 30ms.')),
    by: optional(
      Type.Enum(['vnics', 'vms', 'traffic'], { description: 'What is to be alike at all hosts. Default: vnics.' }),
    ),
    window: optional(duration('How long traffic is counted before. Default: 5s.')),
    budget: optional(Budget),
  },
  { description: 'VMs move from busy hosts to less busy ones; a budget is that of each move.' },
)

const Failover = closed(
  { host: name('Host that is gone.') },
  {
    description:
      'A host is given up: unless it has failed already, it fails now. Its VMs begin anew at the least busy of the others, without their connections.',
  },
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
  drain: optional(Drain),
  failover: optional(Failover),
  rebalance: optional(Rebalance),
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
    Type.Array(
      Type.String({
        title: 'a network, or a tenant, as tenant:red',
        pattern: '^(tenant:[^:/]+|[^:]+)$',
        description: 'Network, or `tenant:` and a tenant.',
      }),
      {
        minItems: 2,
        uniqueItems: true,
        description:
          'No frame of one of these networks is heard in another; no frame of a VM of one of these tenants is heard by one of another, whatever network they share.',
      },
    ),
  ),
  mirrored: optional(scopedName('Mirror: its target, a vNIC, hears a copy of all that it copies.')),
  delivered: optional(between('Every frame from one vNIC to the other arrives.')),
  notDelivered: optional(between('No frame from one vNIC to the other arrives.')),
  policyFollows: optional(scopedName("After its migrations the VM's ports have the policy they had before.")),
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
