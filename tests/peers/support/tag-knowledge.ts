// Which changes of VLAN tags a list of actions may make for Open vSwitch to take it: it follows the tags that the match
// says a frame has through the list (`ofpacts_check`, lib/ofp-actions.c).

import type { Action } from '../../../protocols/control/messages.ts'
import { fieldOf } from '../../../protocols/fields.ts'
import type { Match } from '../../../protocols/match.ts'
import { missingPrerequisite } from '../../../protocols/match.ts'
import type { OpenFlowVersion } from './ovs-twin.ts'

const MOST_TAGS = 2

export class TagKnowledge {
  readonly #version: OpenFlowVersion
  /** Tags that every frame here is known to have. */
  #tags: number

  constructor(match: Match, version: OpenFlowVersion) {
    this.#version = version
    this.#tags = missingPrerequisite(fieldOf('vlan_pcp'), match) === undefined ? 1 : 0
  }

  /** Whether the action may come next; if so, it has. */
  admit(action: Action): boolean {
    switch (action.type) {
      case 'push_vlan':
        return this.#tags < MOST_TAGS && this.#become(this.#tags + 1)
      case 'set_vlan_vid':
      case 'set_vlan_pcp':
        return this.#become(Math.max(1, this.#tags))
      case 'pop_vlan':
        // OpenFlow 1.0 has strip_vlan, which any frame may meet.
        if (this.#version === 'OpenFlow10') return this.#become(0)
        return this.#tags > 0 && this.#become(this.#tags - 1)
      case 'set_field':
        if (!action.field.startsWith('vlan')) return true
        return this.#version === 'OpenFlow15' && this.#tags > 0
      case 'clone':
        return !action.actions.some(({ type }) => type.includes('vlan') || type === 'clone')
      default:
        return true
    }
  }

  #become(tags: number): true {
    this.#tags = tags
    return true
  }
}
