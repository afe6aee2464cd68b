// One frame's way through the pipeline, as far as it has come. It knows the frame only as a key.
//
// Actions change a working copy of the key, not the frame. What has changed is written down only when it matters, before a
// copy leaves (`commit`, as Open vSwitch's `commit_odp_actions`): a rewrite that nobody gets to see costs nothing, and
// NORMAL may tag the frame differently for each of its ports.

import { KEY_WORDS, MAX_LABELS, Word, fieldOf } from '../../protocols/fields.ts'
import type { Field } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import { portFromWire16 } from '../../protocols/port-numbers.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { DropReason } from '../drops.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { copyOfWords, freshWords } from '../key-words.ts'
import { MAX_TAGS, VLAN_PRESENT, readField, wordOfField, fieldWords, writeField } from '../flow-key.ts'
import { UNSET } from './action-set.ts'
import type { Effect } from './effects.ts'
import type { Frozen } from './freeze.ts'
import { labelActions, labelsOf, tagActions } from './header-stacks.ts'
import type { Part } from './steps.ts'
import { held } from './steps.ts'

const ALL_ONES = 0xffffffff
const TUNNEL_ID = fieldOf('tun_id')

/** How the frame as it came to the pipeline differs from a plain one: what `Frozen` kept of it. */
export interface Beginning {
  queue: number
  bare: boolean
}

const PLAIN: Beginning = { queue: 0, bare: false }

/** Room for a translation's words, which the next one that is given it overwrites. */
export interface TranslationRoom {
  readonly key: FlowKey
  readonly consulted: Uint32Array
}

/** What a clone leaves untouched. */
export interface BeforeClone {
  readonly key: FlowKey
  readonly written: Uint32Array<ArrayBuffer> | undefined
  readonly hasWritten: boolean
  readonly hasWrittenNetwork: boolean
  readonly tags: readonly number[]
  readonly committedTags: readonly number[]
  readonly committedLabels: readonly number[] | undefined
  readonly queue: number
  readonly bare: boolean
  readonly unread: boolean
  readonly list: DatapathAction[]
}

const leavesAsItIs = ({ type }: DatapathAction): boolean =>
  type === 'output' || type === 'tunnel_output' || type === 'controller' || type === 'clone' || type === 'sample'

/** Octets by which headers that wait to be written down make a frame longer. */
const GROWTH: Partial<Record<DatapathAction['type'], number>> = {
  push_vlan: 4,
  pop_vlan: -4,
  push_mpls: 4,
  pop_mpls: -4,
}

/** By how much those from `start` on do. As in Open vSwitch, a copy is cut to its length before headers that are due come and go. */
const growth = (actions: readonly DatapathAction[], start: number): number =>
  actions.slice(start).reduce((sum, { type }) => sum + (GROWTH[type] ?? 0), 0)

type Output = Extract<DatapathAction, { type: 'output' | 'tunnel_output' }>

/** What a packet-in says beside the frame. */
export type PacketInDetails = Omit<Extract<DatapathAction, { type: 'controller' }>, 'type' | 'key'>

export class Translation {
  /** The key as the actions so far have made it. Tags are read here and written by `setTags` or `write` only. */
  readonly key: FlowKey
  /** Bits of the key as it came in on which this translation depends. */
  readonly consulted: Uint32Array
  readonly actions: DatapathAction[] = []
  /** Flows that the frame met, in order. */
  readonly hits: Flow[] = []
  readonly effects: Effect[] = []
  /** How many actions there are, those in clones counted in. */
  size = 0
  /** What it took to find out. */
  effort = 0
  /** Copies that leave or are read anew, and copies to the controller. */
  outputs = 0
  copiesToController = 0

  /** The queue that outputs use. */
  queue: number
  /** The frame has no Ethernet header. */
  bare: boolean
  /** What is under the outermost headers can not be known before the frame is read anew. */
  unread = false

  /** Where actions are written down: `actions`, or those of the clone under way. */
  #list = this.actions
  /** Bits of the key that are to be written to the frame; made when there are any. */
  #written: Uint32Array<ArrayBuffer> | undefined
  #hasWritten = false
  #hasWrittenNetwork = false
  /** VLAN words, outer first: of the working key, and of the frame as it is after `actions`. */
  #tags: readonly number[]
  #committedTags: readonly number[]
  /** Labels of the frame as it is after `actions`; undefined where they are those of the working key. */
  #committedLabels: readonly number[] | undefined
  #noRecipient: { reason: DropReason; flow: Flow | undefined } | undefined

  /** Works on a copy of `key`: in `room` where that is given, or its own. */
  constructor(key: FlowKey, { queue, bare }: Beginning = PLAIN, room?: TranslationRoom) {
    this.key = room?.key ?? freshWords()
    this.key.set(key)
    this.consulted = room?.consulted ?? freshWords()
    this.consulted.fill(0)
    this.queue = queue
    this.bare = bare
    this.consulted[Word.inPort] = ALL_ONES
    this.#tags = tagsOf(key)
    this.#committedTags = this.#tags
  }

  consultWord(word: number): void {
    this.consulted[word] = ALL_ONES
  }

  consult(field: Field): void {
    for (let index = 0; index < fieldWords(field); index++)
      this.consulted[field.word + index] |= wordOfField(field, field.ones, index)
  }

  /** A word of the key that decides what is done. */
  read(word: number): number {
    this.consultWord(word)
    return this.key[word]
  }

  /** Some bits of a field that decide what is done. */
  readPart({ field, offset, ones, words }: Part): bigint {
    for (const { word, mask } of words) this.consulted[word] |= mask
    return (readField(this.key, field) >> offset) & ones
  }

  /** Changes the bits of `mask` of one word. What is written to the low half of in_port is a port's number of OpenFlow 1.0. */
  write(word: number, value: number, mask: number): void {
    if (word === Word.vlan) return this.#writeOuterTag(value, mask)
    const isLabel = word === Word.mpls
    if (isLabel) this.#keepLabels()
    this.key[word] = (this.key[word] & ~mask) | (value & mask)
    if (word === Word.inPort && mask <= 0xffff) this.key[word] = portFromWire16(this.key[word] & 0xffff)
    if (word < Word.ethernetDestination || isLabel) return
    this.#written ??= freshWords()
    this.#written[word] |= mask
    this.#hasWritten = true
    if (word >= Word.protocol) this.#hasWrittenNetwork = true
  }

  /** Writes as many of the value's last bits as fit. */
  writePart({ field, offset, words }: Part, value: bigint): void {
    const placed = BigInt.asUintN(field.bits, value << offset)
    LAID_OUT.fill(0)
    writeField(LAID_OUT, field, held(field, placed))
    for (const { word, mask } of words) this.write(word, LAID_OUT[word], mask)
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

  /** The label stack entries that the key shows, outermost first. */
  get labels(): readonly number[] {
    this.consultWord(Word.etherType)
    for (let index = 0; index < MAX_LABELS; index++) this.consultWord(Word.mpls + index)
    return labelsOf(this.key)
  }

  /** What is behind the labels is no longer seen, and not seen yet. */
  setLabels(labels: readonly number[], etherType: number): void {
    this.#keepLabels()
    for (let index = 0; index < MAX_LABELS; index++) this.key[Word.mpls + index] = labels[index] ?? 0
    this.key[Word.etherType] = etherType
  }

  /** The key no longer shows what is behind the type, and what was written there has been committed. */
  hidePayload(): void {
    this.commit()
    this.key.fill(0, Word.mpls, KEY_WORDS)
    this.#written?.fill(0, Word.mpls, KEY_WORDS)
    this.#hasWrittenNetwork = false
  }

  /** All behind the Ethernet addresses is now payload of a header of this type. */
  cover(etherType: number): void {
    this.hidePayload()
    this.key.fill(0, Word.etherType, Word.mpls)
    this.key[Word.etherType] = etherType
    this.#tags = this.#committedTags = []
  }

  /** The Ethernet header has come or gone: its addresses are 0. */
  setBare(bare: boolean): void {
    this.bare = bare
    this.key.fill(0, Word.ethernetDestination, Word.etherType)
  }

  /** Writes down what is to be done to the frame at once, after all that is due. */
  do(action: DatapathAction): void {
    this.commit()
    this.#push(action)
  }

  output(port: number, maxLength: number | undefined, flow: Flow | undefined): void {
    this.#leave({ type: 'output', port, queue: this.queue }, maxLength, flow)
  }

  tunnelOutput(
    port: number,
    { tunnelId, source, destination }: { tunnelId: bigint; source: number; destination: number },
    maxLength: number | undefined,
    flow: Flow | undefined,
  ): void {
    const { queue } = this
    this.#leave({ type: 'tunnel_output', port, queue, tunnelId, source, destination }, maxLength, flow)
  }

  #leave(copy: Output, maxLength: number | undefined, flow: Flow | undefined): void {
    const before = this.#list.length
    this.commit()
    if (maxLength !== undefined) copy.maxLength = maxLength + growth(this.#list, before)
    if (flow !== undefined) copy.flow = flow
    this.#push(copy)
    this.outputs++
  }

  /** The packet-in tells all metadata, so it depends on all of it. `meter` may keep this copy back. */
  controller(details: PacketInDetails, meter?: number): void {
    this.#consultMetadata()
    this.consultWord(Word.etherType)
    const key = this.key.slice()
    if (key[Word.actionSetOutput] === UNSET) key[Word.actionSetOutput] = 0
    const packetIn: DatapathAction = { type: 'controller', ...details, key }
    this.do(meter === undefined ? packetIn : { type: 'clone', actions: [{ type: 'meter', meter }, packetIn] })
    this.copiesToController++
  }

  meter(meter: number): void {
    this.#push({ type: 'meter', meter })
  }

  /** What was frozen tells all metadata, too. Nothing may follow in this list. */
  recirculate(frozen: Frozen): void {
    this.#consultMetadata()
    this.do({ type: 'recirculate', frozen })
    this.outputs++
  }

  /** The words from which what goes on later starts. */
  metadata(): Uint32Array {
    return this.key.slice(0, Word.ethernetDestination)
  }

  /** From here to the `endClone` that is given what this gives, all is done to a copy. What is due is written down before. */
  beginClone(): BeforeClone {
    this.commit()
    const before = {
      key: copyOfWords(this.key),
      written: this.#written && copyOfWords(this.#written),
      hasWritten: this.#hasWritten,
      hasWrittenNetwork: this.#hasWrittenNetwork,
      tags: this.#tags,
      committedTags: this.#committedTags,
      committedLabels: this.#committedLabels,
      queue: this.queue,
      bare: this.bare,
      unread: this.unread,
      list: this.#list,
    }
    this.#list = []
    return before
  }

  /** The frame is again what it was. A clone that leaves it as it is needs no copy. */
  endClone(before: BeforeClone): void {
    const { list } = before
    if (this.#list.every(leavesAsItIs)) for (const action of this.#list) list.push(action)
    else list.push({ type: 'clone', actions: this.#list })
    this.#list = list
    this.key.set(before.key)
    this.#written = before.written
    this.#hasWritten = before.hasWritten
    this.#hasWrittenNetwork = before.hasWrittenNetwork
    this.#tags = before.tags
    this.#committedTags = before.committedTags
    this.#committedLabels = before.committedLabels
    this.queue = before.queue
    this.bare = before.bare
    this.unread = before.unread
  }

  /** Remembers why the frame might find nobody: the first reason given counts. */
  note(reason: DropReason, flow?: Flow): void {
    this.#noRecipient ??= { reason, flow }
  }

  /** Nothing that was decided so far is done to the frame. */
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

  /** Writes down what has changed since it was last written down. */
  commit(): void {
    if (this.#hasWritten) this.#commitWrites()
    if (this.#committedLabels !== undefined) this.#commitLabels(this.#committedLabels)
    if (this.#tags !== this.#committedTags) this.#commitTags()
  }

  #consultMetadata(): void {
    for (let word = 0; word < Word.ethernetDestination; word++) this.consultWord(word)
  }

  /** A tag whose present bit is taken away goes, with the one behind it; one that is given it where there was none comes. */
  #writeOuterTag(value: number, mask: number): void {
    const [outer = 0, ...inner] = this.tags
    const written = ((outer & ~mask) | (value & mask)) >>> 0
    if ((written & VLAN_PRESENT) === 0) return this.setTags([])
    const hasType = written >>> 16 !== 0
    this.setTags([hasType ? written : ((EtherType.Vlan << 16) | written) >>> 0, ...inner])
  }

  #keepLabels(): void {
    this.#committedLabels ??= this.labels
  }

  #push(action: DatapathAction): void {
    this.#list.push(action)
    this.size++
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
    const written = this.#written
    if (written === undefined) return
    for (let word = start; word < end; word++) {
      const mask = written[word]
      if (mask === 0) continue
      this.#push({ type: 'set', word, value: (this.key[word] & mask) >>> 0, mask })
      written[word] = 0
    }
  }

  #commitLabels(have: readonly number[]): void {
    this.#committedLabels = undefined
    for (const action of labelActions(have, labelsOf(this.key), this.key[Word.etherType])) this.#push(action)
  }

  #commitTags(): void {
    for (const action of tagActions(this.#committedTags, this.#tags)) this.#push(action)
    this.#committedTags = this.#tags
  }
}

const NO_TAGS: readonly number[] = []

function tagsOf(key: FlowKey): readonly number[] {
  const outer = key[Word.vlan]
  const inner = key[Word.innerVlan]
  if (outer === 0) return NO_TAGS
  return inner === 0 ? [outer] : [outer, inner]
}

/** Where what is about to be written is laid out. */
const LAID_OUT = new Uint32Array(KEY_WORDS)
