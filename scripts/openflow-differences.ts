/** What, what Open vSwitch does, what we do, and why. */
export const DIFFERENCES: readonly (readonly [string, string, string, string])[] = [
  ['PBB: pbb_isid, push_pbb, pop_pbb', 'refused', 'done', 'the specification defines them (OpenFlow 1.3.5 §5.12)'],
  ['ipv6_exthdr', 'refused', 'matched', 'the specification defines it (§7.2.3.8)'],
  ['copy_ttl_in, copy_ttl_out', 'refused', 'done', 'the specification defines them (§5.12)'],
  ['dscp_remark meters', 'refused by the userspace datapath', 'done', 'the specification defines them (§5.7.1)'],
  [
    'A group that leads back to itself',
    'taken, and cut off when frames meet it',
    'OFPGMFC_LOOP',
    'the specification says so (§6.7)',
  ],
  [
    'ipv6_src written to a packet with segments left in its routing header',
    'leaves the checksum as it was',
    'repairs it',
    'the sum covers the source whatever the route (RFC 8200 §8.1)',
  ],
]
