import { EtherType } from '../protocols/match.ts'
import type { DatapathAction } from './datapath-actions.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import {
  applySet,
  copyTtlIn,
  copyTtlOut,
  popEthernet,
  popMpls,
  popPbb,
  popVlan,
  pushEthernet,
  pushMpls,
  pushPbb,
  pushVlan,
} from './rewrite.ts'

/** What changes no more than a frame's bytes. */
export type Rewrite = Extract<
  DatapathAction,
  {
    type:
      | 'set'
      | 'push_vlan'
      | 'pop_vlan'
      | 'push_mpls'
      | 'pop_mpls'
      | 'push_pbb'
      | 'pop_pbb'
      | 'push_ethernet'
      | 'pop_ethernet'
      | 'copy_ttl_out'
      | 'copy_ttl_in'
  }
>

export function rewrite(arena: FrameArena, frame: FrameHandle, action: Rewrite): void {
  switch (action.type) {
    case 'set':
      return applySet(arena, frame, action.word, action.value, action.mask)
    case 'push_vlan':
      return pushVlan(arena, frame, action.etherType, action.tci)
    case 'pop_vlan':
      return popVlan(arena, frame)
    case 'push_mpls':
      if (action.around) arena.packetType[frame] = EtherType.Bridged
      return pushMpls(arena, frame, action.etherType, action.entry)
    case 'pop_mpls':
      popMpls(arena, frame, action.etherType)
      if (arena.packetType[frame] === EtherType.Bridged) arena.packetType[frame] = 0
      return
    case 'push_pbb':
      return pushPbb(arena, frame, action.serviceId)
    case 'pop_pbb':
      return popPbb(arena, frame)
    case 'push_ethernet':
      return pushEthernet(arena, frame, action.etherType)
    case 'pop_ethernet':
      return popEthernet(arena, frame)
    case 'copy_ttl_out':
      return copyTtlOut(arena, frame)
    case 'copy_ttl_in':
      return copyTtlIn(arena, frame)
  }
}
