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
    'A third VLAN tag pushed, where the match tells of two',
    'OFPBAC_BAD_TAG',
    'done',
    'OpenFlow bounds no stack of tags (§5.12.1)',
  ],
  [
    'The drop-eligible bit of a tag that comes off and on again for one bucket or clone',
    'lost',
    'kept',
    'the frame that goes on is the frame that was there',
  ],
  [
    'check_pkt_larger in a table that was resubmitted to, in a group or in a clone',
    'both ways are tried on what is left of that list and on the action set; then all goes on as though neither had been',
    'the frame goes on with the bit',
    'an action set is carried out once (§5.10)',
  ],
  [
    'A pipeline that goes too deep or pushes too many labels after a select group or check_pkt_larger',
    'what came before the group is done, what came before check_pkt_larger is not',
    'the other way round',
    'each reads frames anew in other places',
  ],
  [
    'A bucket that sends to a group that is not there',
    'taken',
    'OFPBAC_BAD_OUT_GROUP',
    'the specification says so (§7.4.4.3)',
  ],
  [
    'Parts of fields beyond their end in a learn within a bucket, reasons and gateways (alg) that there are none of, a wrong length in set_field',
    'taken',
    'OFPBAC_BAD_SET_LEN, OFPBAC_BAD_ARGUMENT',
    'they mean nothing',
  ],
  ['goto_table:255', 'taken', 'OFPBIC_BAD_TABLE_ID', 'there is no table 255 (§7.1.1)'],
  [
    'A message with several faults',
    'names the first that its decoder comes to',
    'names the first that ours comes to',
    'the specification puts the checks in no order',
  ],
  [
    'A bit that must be 0 in an action',
    'NXBAC_MUST_BE_ZERO in some',
    'OFPBAC_BAD_ARGUMENT',
    'the code that OpenFlow has for it (§7.4.4.3)',
  ],
  [
    'Tunnel metadata (tun_metadata0 to 63), actions for its own tests (debug_recirc)',
    'known',
    'OFPBMC_BAD_FIELD, OFPBAC_BAD_EXP_TYPE',
    'Geneve options are outside this switch',
  ],
  [
    'ipv6_src written to a packet with segments left in its routing header',
    'leaves the checksum as it was',
    'repairs it',
    'the sum covers the source whatever the route (RFC 8200 §8.1)',
  ],
]
