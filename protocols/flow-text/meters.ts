// Meters in the syntax of ovs-ofctl(8), Meter Syntax: `meter=1,kbps,burst,bands=type=drop,rate=1000,burst_size=2000`; and as
// `dump-meters` prints them.

import type { MessageOf, MeterBand, MeterSpec } from '../control/messages.ts'
import { ReservedMeter } from '../control/messages.ts'
import { parseNumber, parseSmall, UINT32, UINT8 } from './numbers.ts'
import { oneOf } from './reading.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { commandOf, slice, valueOf, wholeText, words } from './words.ts'

type MeterMod = MessageOf<'meterMod'>

const COMMANDS: ReadonlyMap<string, MeterMod['command']> = new Map([
  ['add', 'add'],
  ['modify', 'modify'],
  ['delete', 'delete'],
])

const RESERVED: ReadonlyMap<string, number> = new Map<string, number>([
  ['controller', ReservedMeter.Controller],
  ['slowpath', ReservedMeter.Slowpath],
])

/** Text counts in thousands of bits, messages in bits. */
const BITS = 1000n

/**
 * A meter, as `add-meter` takes it; before it, where `options.command` (or else to add it) is not meant, another command. A delete
 * that names no meter means all.
 * @throws FlowSyntaxError
 */
export function parseMeterMod(text: string, options: { command?: MeterMod['command'] } = {}): MeterMod {
  const [command, rest] = commandOf(wholeText(text), COMMANDS, options.command ?? 'add')
  const at = /(^|[\s,])bands?\s*=/.exec(rest.text)
  const before = at === null ? rest : slice(rest, 0, at.index)
  const draft: MeterDraft = {}
  for (const word of words(before)) readProperty(word, draft, command)
  if (command === 'delete') {
    if (at !== null) throw new FlowSyntaxError(rest.column + at.index, 'delete takes no bands', 'meter=NUMBER alone')
    return { type: 'meterMod', command, meter: draft.meter ?? ReservedMeter.All, bands: [] }
  }
  if (draft.meter === undefined) throw new FlowSyntaxError(rest.column, 'the meter has no number', 'meter=NUMBER')
  if (draft.unit === undefined) throw new FlowSyntaxError(rest.column, 'the meter has no unit', 'kbps or pktps')
  const bands = at === null ? [] : readBands(slice(rest, at.index + at[0].length), draft)
  if (bands.length === 0)
    throw new FlowSyntaxError(rest.column + rest.text.length, 'the meter has no bands', 'bands=type=drop,rate=NUMBER')
  const flags = { ...(draft.burst && { burst: true }), ...(draft.stats && { stats: true }) }
  return {
    type: 'meterMod',
    command,
    meter: draft.meter,
    ...(draft.unit === 'packets' && { unit: 'packets' }),
    ...(Object.keys(flags).length > 0 && { flags }),
    bands,
  }
}

interface MeterDraft {
  meter?: number
  unit?: 'bits' | 'packets'
  burst?: boolean
  stats?: boolean
}

const KEYWORDS = ['meter', 'kbps', 'pktps', 'burst', 'stats', 'bands']

function readProperty({ key, ...word }: Word, draft: MeterDraft, command: MeterMod['command']): void {
  switch (key.text) {
    case 'meter':
      draft.meter = readNumber(valueOf({ key, ...word }), command)
      return
    case 'kbps':
    case 'pktps': {
      const unit = key.text === 'kbps' ? 'bits' : 'packets'
      if (draft.unit !== undefined && draft.unit !== unit)
        throw new FlowSyntaxError(key.column, 'the meter has two units', 'either kbps or pktps')
      draft.unit = unit
      return
    }
    case 'burst':
      draft.burst = true
      return
    case 'stats':
      draft.stats = true
      return
    default: {
      const meant = suggestion(key.text, KEYWORDS)
      throw new FlowSyntaxError(key.column, `unknown keyword '${key.text}'`, 'a property of a meter', meant)
    }
  }
}

function readNumber(piece: Piece, command: MeterMod['command']): number {
  if (command === 'delete' && piece.text === 'all') return ReservedMeter.All
  const meter = RESERVED.get(piece.text) ?? parseSmall(piece, ReservedMeter.Max)
  if (meter === 0) throw new FlowSyntaxError(piece.column, '0 is out of range', `1 to ${ReservedMeter.Max}`)
  return meter
}

/** `type` begins a band; the words behind it are its own. */
function readBands(piece: Piece, meter: MeterDraft): MeterBand[] {
  const bands: { type: Word; words: Word[] }[] = []
  for (const word of words(piece)) {
    const current = bands.at(-1)
    if (word.key.text === 'type') bands.push({ type: word, words: [] })
    else if (current === undefined)
      throw new FlowSyntaxError(word.key.column, 'the band has no type', 'type=drop first')
    else current.words.push(word)
  }
  return bands.map((band) => readBand(band.type, band.words, meter))
}

function readBand(type: Word, own: readonly Word[], meter: MeterDraft): MeterBand {
  const scale = meter.unit === 'packets' ? 1n : BITS
  const band: MeterBand = { type: oneOf(valueOf(type), ['drop', 'dscp_remark'], 'type of band'), rate: 0n, burst: 0n }
  for (const word of own) readBandProperty(word, band, scale)
  if (band.rate === 0n) throw new FlowSyntaxError(type.key.column, 'the band has no rate', 'rate=NUMBER, not 0')
  if ((band.burst !== 0n) !== (meter.burst === true))
    throw new FlowSyntaxError(type.key.column, 'burst and burst_size go together', 'both or neither')
  if (band.type === 'drop' && band.precedence !== undefined)
    throw new FlowSyntaxError(type.key.column, 'a drop band has no prec_level', 'type=dscp_remark')
  if (band.type === 'dscp_remark') band.precedence ??= 0
  return band
}

function readBandProperty(word: Word, band: MeterBand, scale: bigint): void {
  const { text, column } = word.key
  switch (text) {
    case 'rate':
      band.rate = parseNumber(valueOf(word), BigInt(UINT32)) * scale
      return
    case 'burst_size':
      band.burst = parseNumber(valueOf(word), BigInt(UINT32)) * scale
      return
    case 'prec_level':
      band.precedence = parseSmall(valueOf(word), UINT8)
      return
    default: {
      const meant = suggestion(text, ['rate', 'burst_size', 'prec_level'])
      throw new FlowSyntaxError(column, `unknown keyword '${text}'`, 'a property of a band', meant)
    }
  }
}

/** A meter's lines in `dump-meters`, the empty one between two meters not among them. */
export function printMeter({ meter, unit, flags, bands }: MeterSpec): string {
  const scale = unit === 'packets' ? 1n : BITS
  const head = [
    `meter=${[...RESERVED].find(([, number]) => number === meter)?.[0] ?? meter}`,
    unit === 'packets' ? 'pktps' : 'kbps',
    ...(flags?.burst ? ['burst'] : []),
    ...(flags?.stats ? ['stats'] : []),
    'bands=',
  ]
  return [head.join(' '), ...bands.map((band) => printBand(band, scale, flags?.burst === true))].join('\n')
}

function printBand({ type, rate, burst, precedence }: MeterBand, scale: bigint, hasBurst: boolean): string {
  const said = [
    `type=${type} rate=${rate / scale}`,
    ...(hasBurst ? [`burst_size=${burst / scale}`] : []),
    ...(type === 'dscp_remark' ? [`prec_level=${precedence ?? 0}`] : []),
  ]
  return said.join(' ')
}
