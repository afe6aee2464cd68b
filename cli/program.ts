import { Command } from 'commander'
import { version } from './version.ts'
import { EXIT_LEGEND, reportFailure } from './failure.ts'

/** In the order of the help text. Only the verb that is asked for is loaded: to load all takes a second, for one that asks the API a tenth of it. */
const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./init.ts')).initCommand(),
  replay: async () => (await import('./replay.ts')).replayCommand(),
  explore: async () => (await import('./explore.ts')).exploreCommand(),
  validate: async () => (await import('./validate.ts')).validateCommand(),
  up: async () => (await import('./up.ts')).upCommand(),
  controller: async () => (await import('./controller.ts')).controllerCommand(),
  host: async () => (await import('./host.ts')).hostCommand(),
  apply: async () => (await import('./apply.ts')).applyCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  switch: async () => (await import('./switch.ts')).switchCommand(),
  trace: async () => (await import('./trace.ts')).traceCommand(),
  flow: async () => (await import('./flow.ts')).flowCommand(),
  vm: async () => (await import('./vm.ts')).vmCommand(),
  rebalance: async () => (await import('./drain.ts')).rebalanceCommand(),
  port: async () => (await import('./port.ts')).portCommand(),
  network: async () => (await import('./network.ts')).networkCommand(),
  tenant: async () => (await import('./tenant.ts')).tenantCommand(),
  mirror: async () => (await import('./mirror.ts')).mirrorCommand(),
  ping: async () => (await import('./ping.ts')).pingCommand(),
  pingall: async () => (await import('./ping.ts')).pingAllCommand(),
  link: async () => (await import('./link.ts')).linkCommand(),
  history: async () => (await import('./history.ts')).historyCommand(),
  backup: async () => (await import('./history.ts')).backupCommand(),
  pki: async () => (await import('./pki.ts')).pkiCommand(),
  token: async () => (await import('./token.ts')).tokenCommand(),
}

/** Runs the verb that the words ask for. What goes wrong becomes a sentence and an exit code. */
export async function signalbox(words: readonly string[]): Promise<void> {
  try {
    await (await program(words)).parseAsync(words, { from: 'user' })
  } catch (error) {
    process.exitCode = reportFailure(error)
  }
}

async function program([word = '']: readonly string[]): Promise<Command> {
  const all = new Command('signalbox')
    .description(
      'Emulated networks with a verdict: a topology in, a capture through it, and an exit code that says whether isolation held.',
    )
    .version(version)
    .showHelpAfterError('(signalbox --help lists the verbs)')
    .showSuggestionAfterError()
    // Flags after the verb of a verb are its own: `host fail h1 --json`.
    .enablePositionalOptions()
    .addHelpText(
      'after',
      `${EXIT_LEGEND}\n  4  signalbox controller alone: another one, of a later start, is in charge`,
    )
    .exitOverride()
  const asked = Object.hasOwn(VERBS, word) ? [VERBS[word]!] : Object.values(VERBS)
  for (const verb of await Promise.all(asked.map((load) => load()))) all.addCommand(withSettingsOf(all, verb))
  return all
}

/** How failures end is the same for every verb, and for the verbs of a verb. */
function withSettingsOf(parent: Command, command: Command): Command {
  command.copyInheritedSettings(parent)
  for (const inner of command.commands) withSettingsOf(command, inner)
  return command
}
