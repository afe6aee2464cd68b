#!/usr/bin/env node
import { Command } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { EXIT_LEGEND, reportFailure } from './failure.ts'
import { initCommand } from './init.ts'
import { replayCommand } from './replay.ts'
import { validateCommand } from './validate.ts'

const program = new Command('signalbox')
  .description(
    'Emulated networks with a verdict: a topology in, a capture through it, and an exit code that says whether isolation held.',
  )
  .version(manifest.version)
  .showHelpAfterError('(signalbox --help lists the verbs)')
  .showSuggestionAfterError()
  .addHelpText('after', EXIT_LEGEND)
  .exitOverride()

for (const command of [initCommand(), replayCommand(), validateCommand()]) {
  program.addCommand(command.copyInheritedSettings(program))
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
