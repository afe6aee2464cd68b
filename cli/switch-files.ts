import { applyChanges, ChangeRefused } from '../datapath/control/handlers/changes.ts'
import type { Switch } from '../datapath/switch.ts'
import type { BundledMessage } from '../protocols/control/messages.ts'
import { FlowSyntaxError } from '../protocols/flow-text/syntax-error.ts'
import { parseFlowMod, parseGroupMod, parseMeterMod } from '../protocols/flow-text/parse.ts'
import type { FlowTextOptions } from '../protocols/flow-text/ports.ts'

const PARSERS = { flow: parseFlowMod, group: parseGroupMod, meter: parseMeterMod } as const

/**
 * Gives the switch what the lines of a file say: all of them, or none. Empty lines and those that begin with # say nothing.
 * @throws Error with the file, the line and what is wrong there
 */
export function applyFile(device: Switch, kind: keyof typeof PARSERS, file: string, content: string): void {
  const options: FlowTextOptions = { ports: namesOf(device) }
  const changes: BundledMessage[] = []
  const lines: number[] = []
  content.split('\n').forEach((text, index) => {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) return
    changes.push(read(() => PARSERS[kind](line, options), `${file}:${index + 1}`))
    lines.push(index + 1)
  })
  try {
    applyChanges(device, changes)
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error
    const place = error.index < 0 ? file : `${file}:${lines[error.index]}`
    throw new Error(`${place}: ${error.refusal.code}: ${error.message}`, { cause: error })
  }
}

function read(parse: () => BundledMessage, place: string): BundledMessage {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof FlowSyntaxError)) throw error
    throw new Error(`${place}: ${error.message}`, { cause: error })
  }
}

const namesOf = ({ ports }: Switch): NonNullable<FlowTextOptions['ports']> => ({
  number: (name) => ports.byName(name)?.number,
  name: (number) => ports.byNumber(number)?.name,
  names: () => [...ports].map(({ name }) => name),
})
