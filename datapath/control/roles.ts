import type { MessageOf, Role } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'

/** Whoever has a role. */
export interface RoleHolder {
  role: Role
  /** Another is the primary now, and this one, which was, a secondary. */
  demoted(generationId: bigint): void
}

/** Who of a switch's controllers is what: OpenFlow 1.3 §6.3.6. There is one primary at most. */
export class Roles {
  readonly #holders = new Set<RoleHolder>()
  /** The highest generation seen, of those that claimed to be the primary's or a secondary's. */
  #generation: bigint | undefined

  add(holder: RoleHolder): void {
    this.#holders.add(holder)
  }

  remove(holder: RoleHolder): void {
    this.#holders.delete(holder)
  }

  /**
   * Gives `holder` the role that it asks for; one that was primary makes way.
   * @throws Refused a claim from a generation before the last.
   */
  request(holder: RoleHolder, { role, generationId }: MessageOf<'roleRequest'>): MessageOf<'roleReply'> {
    if (role === 'primary' || role === 'secondary') this.#checkGeneration(generationId)
    if (role === 'primary') this.#demoteOthers(holder)
    if (role !== 'nochange') holder.role = role
    return { type: 'roleReply', role: holder.role, generationId: this.#lastGeneration }
  }

  get #lastGeneration(): bigint {
    return this.#generation ?? UNKNOWN_GENERATION
  }

  #checkGeneration(generation: bigint): void {
    if (this.#generation !== undefined && BigInt.asIntN(64, generation - this.#generation) < 0n)
      throw new Refused('OFPRRFC_STALE', 'generationId', `${generation} is before ${this.#generation}`)
    this.#generation = generation
  }

  #demoteOthers(holder: RoleHolder): void {
    for (const other of this.#holders) {
      if (other === holder || other.role !== 'primary') continue
      other.role = 'secondary'
      other.demoted(this.#lastGeneration)
    }
  }
}

/** Open vSwitch's word for that there has been none. */
const UNKNOWN_GENERATION = 0xffffffffffffffffn
