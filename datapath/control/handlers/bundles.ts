import type { BundledMessage, MessageOf } from '../../../protocols/control/messages.ts'
import type { Switch } from '../../switch.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { applyChanges, ChangeRefused } from './changes.ts'

/** Changes that one bundle may hold: enough for every flow of a full switch. */
const LARGEST_BUNDLE = 1_000_000

interface Bundle {
  changes: BundledMessage[]
  /** By place in the bundle: the xid of the message that brought the change. */
  xids: number[]
  /** A message that may have been meant for this bundle could not be read: it can not be committed whole. */
  isBroken: boolean
}

/** Says that a message of a bundle was refused: to whom it concerns, and why. */
export type RefuseBundled = (xid: number, refusal: Refused) => void

/** The bundles of one connection. They end with it: a bundle that was not committed leaves nothing behind. */
export class Bundles {
  readonly #device: Switch
  readonly #open = new Map<number, Bundle>()

  constructor(device: Switch) {
    this.#device = device
  }

  /** @throws Refused */
  add({ bundle, message }: MessageOf<'bundleAdd'>, xid: number): void {
    const { changes, xids } = this.#opened(bundle)
    if (changes.length >= LARGEST_BUNDLE)
      throw new Refused('OFPBFC_BAD_ID', 'bundle', `bundle ${bundle} has ${LARGEST_BUNDLE} changes and takes no more`)
    changes.push(message)
    xids.push(xid)
  }

  /** A message was unreadable; it may have been a change of any bundle that is open. */
  missed(): void {
    for (const bundle of this.#open.values()) bundle.isBroken = true
  }

  /**
   * Where a commit fails, the change to blame is refused under its own xid first, then the commit.
   * @throws Refused
   */
  control({ bundle, command }: MessageOf<'bundleControl'>, refuse: RefuseBundled): void {
    if (command === 'open') return this.#begin(bundle)
    const ended = this.#opened(bundle)
    this.#open.delete(bundle)
    if (command === 'commit') this.#commit(ended, refuse)
  }

  #begin(bundle: number): void {
    if (this.#open.has(bundle)) throw new Refused('OFPBFC_BAD_ID', 'bundle', `bundle ${bundle} is open already`)
    this.#open.set(bundle, { changes: [], xids: [], isBroken: false })
  }

  #opened(bundle: number): Bundle {
    const opened = this.#open.get(bundle)
    if (opened === undefined) throw new Refused('OFPBFC_BAD_ID', 'bundle', `bundle ${bundle} is not open`)
    return opened
  }

  #commit({ changes, xids, isBroken }: Bundle, refuse: RefuseBundled): void {
    if (isBroken) throw new Refused('OFPBFC_MSG_FAILED', '', 'a message before the commit could not be read')
    try {
      applyChanges(this.#device, changes)
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
      const { index, refusal } = error
      if (index >= 0) refuse(xids[index]!, refusal.within('message'))
      const { field } = index < 0 ? refusal : refusal.within(`messages[${index}]`)
      throw new Refused('OFPBFC_MSG_FAILED', field, `${refusal.code}: ${refusal.message}`)
    }
  }
}
