import { Command } from 'commander'
import { version } from './version.ts'
import { EXIT_LEGEND, reportFailure } from './failure.ts'
import { applyCommand } from './apply.ts'
import { controllerCommand } from './controller.ts'
import { flowCommand } from './flow.ts'
import { statusCommand } from './status.ts'
import { switchCommand } from './switch.ts'
import { backupCommand, historyCommand } from './history.ts'
import { exploreCommand } from './explore.ts'
import { hostCommand } from './host.ts'
import { initCommand } from './init.ts'
import { linkCommand } from './link.ts'
import { mirrorCommand } from './mirror.ts'
import { pkiCommand } from './pki.ts'
import { portCommand } from './port.ts'
import { networkCommand } from './network.ts'
import { pingAllCommand, pingCommand } from './ping.ts'
import { rebalanceCommand } from './drain.ts'
import { replayCommand } from './replay.ts'
import { tenantCommand } from './tenant.ts'
import { tokenCommand } from './token.ts'
import { traceCommand } from './trace.ts'
import { upCommand } from './up.ts'
import { validateCommand } from './validate.ts'
import { vmCommand } from './vm.ts'

/** Runs the verb that the words ask for. What goes wrong becomes a sentence and an exit code. */
export async function signalbox(words: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(words, { from: 'user' })
  } catch (error) {
    process.exitCode = reportFailure(error)
  }
}

function program(): Command {
  const all = new Command('signalbox')
    .description(
      'Emulated networks with a verdict: a topology in, a capture through it, and an exit code that says whether isolation held.',
    )
    .version(version)
    .showHelpAfterError('(signalbox --help lists the verbs)')
    .showSuggestionAfterError()
    // Flags after the verb of a verb are its own: `host fail h1 --json`.
    .enablePositionalOptions()
    .addHelpText('after', EXIT_LEGEND)
    .exitOverride()
  const verbs = [
    initCommand(),
    replayCommand(),
    exploreCommand(),
    validateCommand(),
    upCommand(),
    controllerCommand(),
    hostCommand(),
    applyCommand(),
    statusCommand(),
    switchCommand(),
    traceCommand(),
    flowCommand(),
    vmCommand(),
    rebalanceCommand(),
    portCommand(),
    networkCommand(),
    tenantCommand(),
    mirrorCommand(),
    pingCommand(),
    pingAllCommand(),
    linkCommand(),
    historyCommand(),
    backupCommand(),
    pkiCommand(),
    tokenCommand(),
  ]
  for (const verb of verbs) all.addCommand(withSettingsOf(all, verb))
  return all
}

/** How failures end is the same for every verb, and for the verbs of a verb. */
function withSettingsOf(parent: Command, command: Command): Command {
  command.copyInheritedSettings(parent)
  for (const inner of command.commands) withSettingsOf(command, inner)
  return command
}
