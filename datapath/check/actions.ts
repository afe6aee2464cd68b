// Each action's own sense, and what its list allows: Open vSwitch's ofpacts_check and ofpacts_verify (lib/ofp-actions.c).

import { standsInActionSet, standsInCt } from '../../protocols/action-lists.ts'
import type { Action } from '../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import type { KnownFrame } from '../../protocols/known-frame.ts'
import { knownAfter } from '../../protocols/known-frame.ts'
import { checkCt, checkNat } from './connections.ts'
import type { ActionOf, CheckContext, Place } from './context.ts'
import { demandFor, isBits, isLookupTable, refuseUnless } from './context.ts'
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
  group: nothing,
  set_queue: outputs.checkSetQueue,
  pop_queue: nothing,
  push_vlan: headers.checkPushVlan,
  pop_vlan: nothing,
  set_vlan_vid: headers.checkSetVlanVid,
  set_vlan_pcp: headers.checkSetVlanPcp,
  push_mpls: headers.checkPushMpls,
  pop_mpls: headers.checkPopMpls,
  push_pbb: headers.checkPushPbb,
  pop_pbb: nothing,
  encap: nothing,
  decap: headers.checkDecap,
  set_field: checkSetField,
  load: checkLoad,
  move: checkMove,
  stack_push: ({ from }, place) => checkSource(from, place, `${place.path}.from`),
  stack_pop: ({ to }, place) => checkTarget(to, place, `${place.path}.to`),
  set_tunnel: ({ id, wide }, { path }) =>
    refuseUnless(id >= 0n && id < 1n << (wide ? 64n : 32n), 'OFPBAC_BAD_ARGUMENT', `${path}.id`, `${id} is too wide`),
  dec_ttl: headers.checkDecTtl,
  set_nw_ttl: headers.checkTtl,
  set_mpls_ttl: headers.checkTtl,
  dec_mpls_ttl: nothing,
  copy_ttl_out: nothing,
  copy_ttl_in: nothing,
  resubmit: checkResubmit,
  clone: nothing,
  exit: nothing,
  note: nothing,
  learn: checkLearn,
  conjunction: (_action, { path }) => {
    throw new Refused('NXBAC_BAD_CONJUNCTION', path, 'a conjunction is all that its flow does, but for notes')
  },
  ct: checkCt,
  nat: checkNat,
  ct_clear: nothing,
  multipath: outputs.checkMultipath,
  bundle: outputs.checkBundle,
  fin_timeout: ({ idleTimeout, hardTimeout }, { path }) => {
    const isTime = isBits(idleTimeout, 16) && isBits(hardTimeout, 16)
    refuseUnless(isTime, 'OFPBAC_BAD_ARGUMENT', path, 'a timeout is 0 to 65535 seconds')
  },
  check_pkt_larger: checkLengthTest,
  sample: outputs.checkSample,
}

/** Checks one after the other; each changes what is known of the frames that come to the next. Returns what is known in the end. */
export function checkList(actions: readonly Action[], place: Place): KnownFrame | undefined {
  const { context, within, depth } = place
  let { frame } = place
  actions.forEach((action, index) => {
    checkAction(action, { context, path: `${place.path}[${index}]`, frame, within, depth })
    frame = frame && knownAfter(action, frame)
  })
  return frame
}

/** Whether all groups are there that the actions name. @throws Refused */
export function checkGroups(actions: readonly Action[], context: CheckContext, path: string): void {
  actions.forEach((action, index) => {
    if (action.type === 'group') outputs.checkGroup(action, `${path}[${index}]`, context)
    if (action.type === 'clone') checkGroups(action.actions, context, `${path}[${index}].actions`)
  })
}

function checkAction(action: Action, place: Place): void {
  const { type } = action
  const { within, path } = place
  if (within === 'write')
    refuseUnless(standsInActionSet(action), 'OFPBAC_BAD_TYPE', path, `an action set can hold no such ${type}`)
  if (within === 'ct') refuseUnless(standsInCt(action), 'OFPBAC_BAD_ARGUMENT', path, `ct can do no ${type}`)
  const check = CHECKS[type] as ((action: Action, place: Place) => void) | undefined
  if (check === undefined) throw new Refused('OFPBAC_BAD_TYPE', path, `there is no action ${type}`)
  check(action, place)
  demandFor(action, place)
  if (type === 'ct') checkList(action.actions, { ...place, path: `${path}.actions`, within: 'ct' })
  if (type === 'clone') checkClone(action, place)
}

function checkResubmit({ port, table }: ActionOf<'resubmit'>, { path }: Place): void {
  const isThere = table === undefined || isLookupTable(table)
  refuseUnless(isThere, 'OFPBAC_BAD_ARGUMENT', `${path}.table`, `there is no table ${table}`)
  const isPort = port === undefined || isBits(port, 32)
  refuseUnless(isPort, 'OFPBAC_BAD_ARGUMENT', `${path}.port`, `${port} is no port to come from`)
}

/** What a clone changes, it changes for itself. */
function checkClone({ actions }: ActionOf<'clone'>, place: Place): void {
  const { path } = place
  const depth = place.depth + 1
  const isShallow = depth <= MAX_CLONE_DEPTH
  refuseUnless(isShallow, 'OFPBAC_BAD_ARGUMENT', path, `clone in ${MAX_CLONE_DEPTH} others; expected fewer`)
  checkList(actions, { ...place, path: `${path}.actions`, within: 'clone', depth })
}
