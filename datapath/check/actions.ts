// Each action's own sense, and what its list allows: Open vSwitch's ofpacts_check and ofpacts_verify (lib/ofp-actions.c).

import type { Action } from '../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { checkCt, checkNat } from './connections.ts'
import type { ActionOf, Place } from './context.ts'
import { demandHeader, isBits, isLookupTable, refuseUnless } from './context.ts'
import { checkLengthTest, checkLoad, checkMove, checkSetField, checkSource, checkTarget } from './fields.ts'
import * as headers from './headers.ts'
import { checkLearn } from './learning.ts'
import * as outputs from './outputs.ts'

type Checks = { [T in Action['type']]: (action: ActionOf<T>, place: Place) => void }

const nothing = () => undefined

const CHECKS: Checks = {
  output: ({ port }, { path }) => outputs.checkOutPort(port, `${path}.port`),
  output_reg: outputs.checkOutputReg,
  output_trunc: outputs.checkOutputTrunc,
  controller: outputs.checkController,
  group: outputs.checkGroup,
  set_queue: outputs.checkSetQueue,
  pop_queue: nothing,
  push_vlan: headers.checkPushVlan,
  pop_vlan: headers.checkPopVlan,
  set_vlan_vid: headers.checkSetVlanVid,
  set_vlan_pcp: headers.checkSetVlanPcp,
  push_mpls: headers.checkPushMpls,
  pop_mpls: headers.checkPopMpls,
  push_pbb: headers.checkPushPbb,
  pop_pbb: headers.checkPopPbb,
  encap: headers.checkEncap,
  decap: headers.checkDecap,
  set_field: checkSetField,
  load: checkLoad,
  move: checkMove,
  stack_push: ({ from }, place) => checkSource(from, place, `${place.path}.from`),
  stack_pop: ({ to }, place) => checkTarget(to, place, `${place.path}.to`),
  set_tunnel: ({ id, wide }, { path }) =>
    refuseUnless(id >= 0n && id < 1n << (wide ? 64n : 32n), 'OFPBAC_BAD_ARGUMENT', `${path}.id`, `${id} is too wide`),
  dec_ttl: checkDecTtl,
  set_nw_ttl: ({ ttl }, place) => {
    headers.checkTtl(ttl, `${place.path}.ttl`)
    demandHeader(place, 'ip')
  },
  set_mpls_ttl: ({ ttl }, place) => {
    headers.checkTtl(ttl, `${place.path}.ttl`)
    demandHeader(place, 'mpls')
  },
  dec_mpls_ttl: (_action, place) => demandHeader(place, 'mpls'),
  copy_ttl_out: (_action, place) => demandHeader(place, 'mpls'),
  copy_ttl_in: (_action, place) => demandHeader(place, 'mpls'),
  resubmit: checkResubmit,
  clone: checkClone,
  exit: nothing,
  note: nothing,
  learn: checkLearn,
  conjunction: (_action, { path }) => {
    throw new Refused('NXBAC_BAD_CONJUNCTION', path, 'a conjunction is all that its flow does, but for notes')
  },
  ct: (action, place) => {
    checkCt(action, place)
    checkList(action.actions, { ...place, path: `${place.path}.actions`, within: 'ct' })
  },
  nat: checkNat,
  ct_clear: nothing,
  multipath: outputs.checkMultipath,
  bundle: outputs.checkBundle,
  fin_timeout: ({ idleTimeout, hardTimeout }, place) => {
    const isTime = isBits(idleTimeout, 16) && isBits(hardTimeout, 16)
    refuseUnless(isTime, 'OFPBAC_BAD_ARGUMENT', place.path, 'a timeout is 0 to 65535 seconds')
    demandHeader(place, 'tcp')
  },
  check_pkt_larger: checkLengthTest,
  sample: outputs.checkSample,
}

/** What an action set may hold: Open vSwitch's action_set_classify, and of OpenFlow 1.3 §5.10 what it leaves out. */
const IN_ACTION_SET: ReadonlySet<Action['type']> = new Set([
  'output',
  'controller',
  'group',
  'resubmit',
  'ct',
  'ct_clear',
  'push_vlan',
  'pop_vlan',
  'push_mpls',
  'pop_mpls',
  'push_pbb',
  'pop_pbb',
  'encap',
  'decap',
  'set_field',
  'load',
  'move',
  'set_tunnel',
  'set_queue',
  'set_vlan_vid',
  'set_vlan_pcp',
  'set_nw_ttl',
  'set_mpls_ttl',
  'dec_ttl',
  'dec_mpls_ttl',
  'copy_ttl_out',
  'copy_ttl_in',
])

const IN_CT: ReadonlySet<Action['type']> = new Set(['set_field', 'load', 'move', 'nat'])

/** Checks one after the other; each changes what is known of the frames that come to the next. */
export function checkList(actions: readonly Action[], place: Place): void {
  actions.forEach((action, index) => checkAction(action, { ...place, path: `${place.path}[${index}]` }))
}

function checkAction(action: Action, place: Place): void {
  const { type } = action
  const { within, path } = place
  if (within === 'write')
    refuseUnless(IN_ACTION_SET.has(type), 'OFPBAC_BAD_TYPE', path, `an action set can hold no ${type}`)
  if (within === 'ct') refuseUnless(IN_CT.has(type), 'OFPBAC_BAD_ARGUMENT', path, `ct can do no ${type}`)
  const check = CHECKS[type] as ((action: Action, place: Place) => void) | undefined
  if (check === undefined) throw new Refused('OFPBAC_BAD_TYPE', path, `there is no action ${type}`)
  check(action, place)
}

function checkDecTtl({ controllers }: ActionOf<'dec_ttl'>, place: Place): void {
  const areIds = controllers === undefined || controllers.every((id) => isBits(id, 16))
  refuseUnless(areIds, 'OFPBAC_BAD_ARGUMENT', `${place.path}.controllers`, 'the number of a controller is 0 to 65535')
  demandHeader(place, 'ip')
}

function checkResubmit({ port, table, swapped }: ActionOf<'resubmit'>, place: Place): void {
  const { path, frame } = place
  const isThere = table === undefined || isLookupTable(table)
  refuseUnless(isThere, 'OFPBAC_BAD_ARGUMENT', `${path}.table`, `there is no table ${table}`)
  const isPort = port === undefined || isBits(port, 32)
  refuseUnless(isPort, 'OFPBAC_BAD_ARGUMENT', `${path}.port`, `${port} is no port to come from`)
  const missing = swapped && frame.lacks('ct')
  if (missing !== undefined) throw new Refused('OFPBAC_MATCH_INCONSISTENT', path, `the flow does not match ${missing}`)
}

/** What a clone changes, it changes for itself. */
function checkClone({ actions }: ActionOf<'clone'>, place: Place): void {
  const { path, frame } = place
  const depth = place.depth + 1
  const isShallow = depth <= MAX_CLONE_DEPTH
  refuseUnless(isShallow, 'OFPBAC_BAD_ARGUMENT', path, `clone in ${MAX_CLONE_DEPTH} others; expected fewer`)
  checkList(actions, { ...place, path: `${path}.actions`, frame: frame.copy(), within: 'clone', depth })
}
