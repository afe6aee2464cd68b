// Every way in which a frame can end without arriving, by name. Open vSwitch's own names where it has one
// (lib/odp-execute.c, ofproto/ofproto-dpif-xlate.h).

/** A switch's or a link's reasons. */
export const DROP_REASONS = {
  table_miss: 'no flow of the table matched',
  drop_action_of_pipeline: 'a flow said drop',
  recursion_too_deep: 'resubmit went deeper than 64 levels',
  too_many_resubmit: 'more than 4096 resubmits, or too many actions in all, for one frame',
  stack_too_deep: 'more than 64 kB on the stack of a frame',
  recirculation_too_deep: 'read anew more often than 6 times',
  too_many_mpls_labels: 'more than 3 MPLS labels, where another comes or goes',
  unsupported_packet_type: 'a frame without an Ethernet header, where one is needed, or with one, where none can be',
  fragment: 'a piece of a datagram, which the switch is told to drop',
  ttl_expired: 'TTL or hop limit reached zero',
  malformed: 'the frame is shorter than an Ethernet header',
  vlan_mismatch: 'the port does not carry this VLAN',
  reserved_multicast: 'to an address of neighbouring bridges, which NORMAL does not forward',
  inactive_binding: 'the vNIC port is not open here',
  no_recipient: 'nobody to deliver to',
  unknown_port: 'output to a port that does not exist',
  link_down: 'the port or link is down',
  no_recv: 'the controller lets the port receive nothing',
  no_fwd: 'the controller lets the port send nothing',
  no_ethernet_header: 'decap took its Ethernet header, which every port needs',
  mtu_exceeded: 'longer than the port or link allows',
  rate_limited: 'over the rate of its meter',
  queue_full: 'the link had too many frames waiting',
  queue_overflow: 'its queue at a port or link that shares out a rate had too many frames waiting',
  link_loss: 'lost on a link that loses frames',
  unknown_tunnel: 'no tunnel port takes this VNI and endpoint',
  invalid_tunnel: 'a VXLAN header that RFC 7348 does not admit',
  no_route: 'no path through the fabric',
  hold_overflow: 'more frames arrived during a move than may be held',
  fragment_timeout: 'the rest of the datagram did not come',
  to_controller: 'sent to the controller only',
} as const

/** What 'a flow said drop' is called where it is known whose flow it was. */
const FLOW_DROP_REASONS = {
  port_security: "from addresses that are not the vNIC's",
  security_group: "no rule of the vNIC's security groups allows it",
  user_flow: 'a flow of the user said drop',
} as const

/** Every name under which a drop may be reported. */
export const DROP_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(DROP_REASONS),
  ...Object.keys(FLOW_DROP_REASONS),
])
