import type { BundledMessage, BundleFlags, MessageOf } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { onceIfFrozen } from '../../../runtime/once.ts'
import type { Switch } from '../../switch.ts'
import type { Dialect } from '../subscription.ts'
import { applyChanges, ChangeRefused } from './changes.ts'

/** Changes that the bundles of one connection may hold, and octets of memory: enough for every flow of a full switch. */
const MOST_CHANGES = 1_000_000
const MOST_MEMORY = 2 ** 30
/** Bundles that one connection may have open. */
const MOST_BUNDLES = 1000

interface Bundle {
  readonly flags: BundleFlags
  closed: boolean
  changes: BundledMessage[]
  /** By place in the bundle: the xid of the message that brought the change. */
  xids: number[]
  /** Octets that the changes take, about. */
  size: number
  /** A message that may have been meant for this bundle could not be read: it can not be committed whole. */
  isBroken: boolean
}

/** Says that a message of a bundle was refused: to whom it concerns, and why. */
export type RefuseBundled = (xid: number, refusal: Refused) => void

/**
 * The bundles of one connection, as Open vSwitch has them (ofproto/bundles.c): whoever breaks a bundle's rules loses it. They
 * end with the connection: a bundle that was not committed leaves nothing behind.
 */
export class Bundles {
  readonly #device: Switch
  /** Stands for the connection where changes are told to monitors. */
  readonly #owner: object
  readonly #dialect: Dialect
  readonly #open = new Map<number, Bundle>()
  /** Of all that are open. */
  #changes = 0
  #size = 0

  constructor(device: Switch, owner: object, dialect: Dialect) {
    this.#device = device
    this.#owner = owner
    this.#dialect = dialect
  }

  /** @throws Refused */
  add({ bundle, message, flags = {} }: MessageOf<'bundleAdd'>, xid: number): void {
    const opened = this.#opened(bundle)
    if (opened.closed) this.#lose(bundle, 'OFPBFC_BUNDLE_CLOSED', 'is closed')
    this.#checkFlags(bundle, opened, flags)
    const size = sizeOfChange(message)
    if (this.#changes >= MOST_CHANGES || this.#size + size > MOST_MEMORY)
      throw new Refused('OFPBFC_MSG_TOO_MANY', 'bundle', `no more fits what is open: ${this.#changes} changes`)
    opened.changes.push(message)
    opened.xids.push(xid)
    opened.size += size
    this.#changes++
    this.#size += size
  }

  /** A message was unreadable; it may have been a change of any bundle that is open. */
  missed(): void {
    for (const bundle of this.#open.values()) bundle.isBroken = true
  }

  /**
   * Where a commit fails, the change to blame is refused under its own xid first, then the commit.
   * @throws Refused
   */
  control({ bundle, command, flags = {} }: MessageOf<'bundleControl'>, refuse: RefuseBundled): void {
    if (command === 'open') return this.#begin(bundle, flags)
    const opened = this.#opened(bundle)
    if (command === 'close') return this.#close(bundle, opened, flags)
    if (command === 'commit') this.#checkFlags(bundle, opened, flags)
    this.#forget(bundle, opened)
    if (command === 'commit') this.#commit(opened, refuse)
  }

  #begin(bundle: number, flags: BundleFlags): void {
    if (this.#open.has(bundle)) this.#lose(bundle, 'OFPBFC_BAD_ID', 'is open already')
    if (this.#open.size >= MOST_BUNDLES)
      throw new Refused('OFPBFC_OUT_OF_BUNDLES', 'bundle', `${MOST_BUNDLES} bundles are open`)
    this.#open.set(bundle, { flags, closed: false, changes: [], xids: [], size: 0, isBroken: false })
  }

  #close(bundle: number, opened: Bundle, flags: BundleFlags): void {
    if (opened.closed) this.#lose(bundle, 'OFPBFC_BUNDLE_CLOSED', 'is closed already')
    this.#checkFlags(bundle, opened, flags)
    opened.closed = true
  }

  #opened(bundle: number): Bundle {
    const opened = this.#open.get(bundle)
    if (opened === undefined) throw new Refused('OFPBFC_BAD_ID', 'bundle', `bundle ${bundle} is not open`)
    return opened
  }

  #forget(bundle: number, { changes, size }: Bundle): void {
    this.#open.delete(bundle)
    this.#changes -= changes.length
    this.#size -= size
  }

  #checkFlags(bundle: number, opened: Bundle, { atomic, ordered }: BundleFlags): void {
    if (Boolean(atomic) !== Boolean(opened.flags.atomic) || Boolean(ordered) !== Boolean(opened.flags.ordered))
      this.#lose(bundle, 'OFPBFC_BAD_FLAGS', 'was opened with other flags')
  }

  #lose(bundle: number, code: 'OFPBFC_BAD_ID' | 'OFPBFC_BUNDLE_CLOSED' | 'OFPBFC_BAD_FLAGS', why: string): never {
    this.#forget(bundle, this.#opened(bundle))
    throw new Refused(code, 'bundle', `bundle ${bundle} ${why}; it is discarded`)
  }

  #commit({ changes, xids, isBroken }: Bundle, refuse: RefuseBundled): void {
    if (isBroken) throw new Refused('OFPBFC_MSG_FAILED', '', 'a message before the commit could not be read')
    try {
      applyChanges(this.#device, changes, { owner: this.#owner, xid: xids.at(-1) ?? 0, dialect: this.#dialect })
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
      const { index, refusal } = error
      refuse(xids[index]!, refusal.within('message'))
      const { field } = refusal.within(`messages[${index}]`)
      throw new Refused('OFPBFC_MSG_FAILED', field, `${refusal.code}: ${refusal.message}`)
    }
  }
}

const sizeOfChange = onceIfFrozen((change: BundledMessage): number => sizeOf(change))

/** What a value takes in memory, in octets, about: so many for each of its values. */
function sizeOf(value: unknown): number {
  const PLAIN = 16
  if (value instanceof Uint8Array) return PLAIN + value.length
  if (typeof value !== 'object' || value === null) return PLAIN
  let size = PLAIN
  if (Array.isArray(value)) for (const part of value) size += sizeOf(part)
  // Every change of a bundle comes by here: a list of its values would cost more than all else.
  else for (const name in value) size += sizeOf(value[name as keyof typeof value])
  return size
}
