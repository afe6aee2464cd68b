import { Command } from 'commander'
import { askEmulation, clientCommand, print, type ClientFlags } from './client.ts'

export function linkCommand(): Command {
  return new Command('link')
    .summary("cut and mend links of a running network's fabric")
    .addCommand(changeCommand('down', 'cut the link between two hosts or fabric switches'))
    .addCommand(changeCommand('up', 'mend the link between two hosts or fabric switches'))
}

const changeCommand = (verb: 'down' | 'up', summary: string) =>
  clientCommand(verb)
    .summary(summary)
    .argument('<a>', 'one end')
    .argument('<b>', 'the other end')
    .action(async (a: string, b: string, flags: ClientFlags) => {
      const reply = await askEmulation(flags, `/links/${verb}`, { endpoints: [a, b] })
      print(flags, reply, `${a} -- ${b} is ${verb}`)
    })
