// One frame's way through the pipeline, as far as it has come. It knows the frame only as a key.
//
// Actions change a working copy of the key, not the frame. What has changed is written down only when it matters, before a
// copy leaves (`commit`, as Open vSwitch's `commit_odp_actions`): a rewrite that nobody gets to see costs nothing, and
// NORMAL may tag the frame differently for each of its ports.

import { KEY_WORDS, Word, fieldOf } from '../protocols/fields.ts'
import type { Field } from '../protocols/fields.ts'
import { EtherType } from '../protocols/match.ts'
import type { DatapathAction } from './datapath-actions.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import { freshWords } from './key-words.ts'
import { MAX_TAGS, VLAN_PRESENT, readField, wordOfField, fieldWords, writeField } from './flow-key.ts'

const ALL_ONES = 0xffffffff
const TUNNEL_ID = fieldOf('tun_id')
/** Open vSwitch knows an ARP operation as eight bits. */
const ARP_OPERATIONS = 0xffn

/** An address seen behind a port, to be told to the MAC table. */
export interface LearnedAddress {
  vlan: number
  mac: number
  port: number
}

/** What a clone leaves untouched. */
export interface BeforeClone {
  readonly key: FlowKey
  readonly written: Uint32Array<ArrayBuffer>
  readonly hasWritten: boolean
  readonly hasWrittenNetwork: boolean
  readonly tags: readonly number[]
  readonly committedTags: readonly number[]
  readonly list: DatapathAction[]
}

const leavesAsItIs = ({ type }: DatapathAction): boolean =>
  type === 'output' || type === 'tunnel_output' || type === 'controller' || type === 'clone'

export class Translation {
  /** The key as the actions so far have made it. Tags are read here and written by `setTags` or `write` only. */
  readonly key: FlowKey
  /** Bits of the key as it came in on which this translation depends. */
  readonly consulted = freshWords()
  readonly actions: DatapathAction[] = []
  /** Flows that the frame met, in order. */
  readonly hits: Flow[] = []
  readonly learned: LearnedAddress[] = []
  /** How many actions there are, those in clones counted in. */
  size = 0
  /** Copies that leave, and copies to the controller. */
  outputs = 0
  copiesToController = 0

  /** Where actions are written down: `actions`, or those of the clone under way. */
  #list = this.actions
  #written = freshWords()
  #hasWritten = false
  #hasWrittenNetwork = false
  /** VLAN words, outer first: of the working key, and of the frame as it is after `actions`. */
  #tags: readonly number[]
  #committedTags: readonly number[]
  #noRecipient: { reason: DropReason; flow: Flow | undefined } | undefined

  /** Works on a copy of `key`. */
  constructor(key: FlowKey) {
    this.key = freshWords()
    this.key.set(key)
    this.consulted[Word.inPort] = ALL_ONES
    this.#tags = [key[Word.vlan], key[Word.innerVlan]].filter((tag) => tag !== 0)
    this.#committedTags = this.#tags
  }

  consultWord(word: number): void {
    this.consulted[word] = ALL_ONES
  }

  consult(field: Field): void {
    for (let index = 0; index < fieldWords(field); index++)
      this.consulted[field.word + index] |= wordOfField(field, field.ones, index)
  }

  /** Changes the bits of `mask` of one word. */
  write(word: number, value: number, mask: number): void {
    if (word === Word.vlan) return this.#writeOuterTag(value, mask)
    this.key[word] = (this.key[word] & ~mask) | (value & mask)
    if (word < Word.ethernetDestination) return
    this.#written[word] |= mask
    this.#hasWritten = true
    if (word >= Word.protocol) this.#hasWrittenNetwork = true
  }

  /** VLAN words of the tags that the key shows, outer first. */
  get tags(): readonly number[] {
    this.consultWord(Word.vlan)
    this.consultWord(Word.innerVlan)
    return this.#tags
  }

  /** As in Open vSwitch, which knows two tags, a third one pushes the innermost off the frame. */
  setTags(tags: readonly number[]): void {
    this.consultWord(Word.vlan)
    this.consultWord(Word.innerVlan)
    this.#tags = tags.slice(0, MAX_TAGS)
    this.key[Word.vlan] = tags[0] ?? 0
    this.key[Word.innerVlan] = tags[1] ?? 0
  }

  output(port: number, flow: Flow | undefined): void {
    this.#commit()
    this.#push(flow ? { type: 'output', port, flow } : { type: 'output', port })
    this.outputs++
  }

  tunnelOutput(port: number, to: { id: bigint; source: number; destination: number }, flow: Flow | undefined): void {
    this.#commit()
    const { id: tunnelId, source, destination } = to
    const action = { type: 'tunnel_output', port, tunnelId, source, destination } as const
    this.#push(flow ? { ...action, flow } : action)
    this.outputs++
  }

  /** The packet-in tells all metadata, so it depends on all of it. */
  controller(
    reason: 'action' | 'invalid_ttl' | 'no_match',
    maxLength: number,
    from: { table: number; cookie: bigint },
  ): void {
    this.#commit()
    for (let word = 0; word < Word.ethernetDestination; word++) this.consultWord(word)
    this.#push({ type: 'controller', reason, maxLength, ...from, key: this.key.slice() })
    this.copiesToController++
  }

  meter(meter: number): void {
    this.#push({ type: 'meter', meter })
  }

  /** From here to the `endClone` that is given what this gives, all is done to a copy. What is due is written down before. */
  beginClone(): BeforeClone {
    this.#commit()
    const before = {
      key: this.key.slice(),
      written: this.#written.slice(),
      hasWritten: this.#hasWritten,
      hasWrittenNetwork: this.#hasWrittenNetwork,
      tags: this.#tags,
      committedTags: this.#committedTags,
      list: this.#list,
    }
    this.#list = []
    return before
  }

  /** The frame is again what it was. A clone that leaves it as it is needs no copy. */
  endClone(before: BeforeClone): void {
    const { list } = before
    if (this.#list.every(leavesAsItIs)) list.push(...this.#list)
    else list.push({ type: 'clone', actions: this.#list })
    this.#list = list
    this.key.set(before.key)
    this.#written = before.written
    this.#hasWritten = before.hasWritten
    this.#hasWrittenNetwork = before.hasWrittenNetwork
    this.#tags = before.tags
    this.#committedTags = before.committedTags
  }

  /** Remembers why the frame might find nobody: the first reason given counts. */
  note(reason: DropReason, flow?: Flow): void {
    this.#noRecipient ??= { reason, flow }
  }

  /** Nothing that was decided so far is done. */
  abort(reason: DropReason, flow: Flow | undefined): void {
    this.actions.length = 0
    this.#list = this.actions
    this.outputs = 0
    this.copiesToController = 0
    this.#noRecipient = { reason, flow }
  }

  /** Says under which name the frame ends, if no copy leaves. */
  finish(): void {
    if (this.outputs > 0) return
    const unnamed = this.copiesToController > 0 ? 'to_controller' : 'drop_action_of_pipeline'
    const reason = this.#noRecipient?.reason ?? unnamed
    const flow = this.#noRecipient?.flow ?? this.hits.at(-1)
    this.#push(flow ? { type: 'drop', reason, flow } : { type: 'drop', reason })
  }

  tunnelId(): bigint {
    this.consult(TUNNEL_ID)
    return readField(this.key, TUNNEL_ID)
  }

  /** A word of the key that decides what is done. */
  read(word: number): number {
    this.consultWord(word)
    return this.key[word]
  }

  /** Copies bits from one field to another: `to[offset..] = from[offset..]`. */
  move(from: Field, fromOffset: bigint, to: Field, toOffset: bigint, ones: bigint): void {
    this.consult(from)
    const bits = ((readField(this.key, from) >> fromOffset) & ones) << toOffset
    const value = MOVED.fill(0)
    writeField(value, to, to.name === 'arp_op' ? bits & ARP_OPERATIONS : bits)
    for (let index = 0; index < fieldWords(to); index++) {
      const word = to.word + index
      this.write(word, value[word], wordOfField(to, ones << toOffset, index))
    }
  }

  /** A tag whose present bit is taken away goes, with the one behind it; one that is given it where there was none comes. */
  #writeOuterTag(value: number, mask: number): void {
    const [outer = 0, ...inner] = this.tags
    const written = ((outer & ~mask) | (value & mask)) >>> 0
    if ((written & VLAN_PRESENT) === 0) return this.setTags([])
    const hasType = written >>> 16 !== 0
    this.setTags([hasType ? written : ((EtherType.Vlan << 16) | written) >>> 0, ...inner])
  }

  #push(action: DatapathAction): void {
    this.#list.push(action)
    this.size++
  }

  #commit(): void {
    if (this.#hasWritten) this.#commitWrites()
    if (this.#tags !== this.#committedTags) this.#commitTags()
  }

  /**
   * As in Open vSwitch, which knows by the protocol that there is a network header at all, nothing is written to one whose
   * protocol (or ARP operation) is 0 or cannot be seen. The type of a neighbour discovery option goes before the link-layer
   * addresses, as there too: which of them is in the option is read off it.
   */
  #commitWrites(): void {
    this.#commitWords(Word.ethernetDestination, Word.protocol)
    this.#hasWritten = this.#hasWrittenNetwork && this.read(Word.protocol) === 0
    if (this.#hasWritten) return
    this.#commitWords(Word.protocol, Word.ndTarget)
    this.#commitWords(Word.ndReserved, KEY_WORDS)
    this.#commitWords(Word.ndTarget, Word.ndReserved)
    this.#hasWrittenNetwork = false
  }

  #commitWords(start: number, end: number): void {
    for (let word = start; word < end; word++) {
      const mask = this.#written[word]
      if (mask === 0) continue
      this.#push({ type: 'set', word, value: (this.key[word] & mask) >>> 0, mask })
      this.#written[word] = 0
    }
  }

  /** Takes off tags down to what both stacks have in common, then puts on the new ones. */
  #commitTags(): void {
    const have = this.#committedTags
    const want = this.#tags
    let common = 0
    while (common < have.length && common < want.length && have.at(-1 - common) === want.at(-1 - common)) common++
    for (let tag = have.length - common; tag > 0; tag--) this.#push({ type: 'pop_vlan' })
    for (let tag = want.length - common - 1; tag >= 0; tag--) this.#push(pushOf(want[tag]))
    this.#committedTags = want
  }
}

/** Where `move` lays out what it is about to write. */
const MOVED = new Uint32Array(KEY_WORDS)

const pushOf = (tag: number): DatapathAction => ({
  type: 'push_vlan',
  etherType: tag >>> 16,
  tci: tag & 0xffff & ~VLAN_PRESENT,
})
