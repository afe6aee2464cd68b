// What mirrors copy into files, where that is written as it comes.

import { type Command, Option } from 'commander'
import type { CopyFiles } from '../datapath/host/copy-files.ts'
import type { Clock } from '../runtime/clock.ts'
import { whole } from './numbers.ts'
import { makeFolder } from './output-files.ts'

export interface CaptureFlags {
  captures?: string
  captureSize: number
  captureFiles: number
}

/** Where what mirrors copy into files is written, and how much of it. */
export const withCaptureOptions = (command: Command): Command =>
  command
    .option('--captures <folder>', 'write what mirrors copy into files there; without it, such copies go nowhere')
    .addOption(
      new Option('--capture-size <MiB>', 'of a file, beyond which the next begins')
        .default(64)
        .argParser((text) => whole(text, 1, 65_536)),
    )
    .addOption(
      new Option('--capture-files <number>', 'files of each mirror; older ones are named FILE.1, FILE.2 and so on')
        .default(4)
        .argParser((text) => whole(text, 1, 1000)),
    )

const MEBIBYTE = 2 ** 20

/** Undefined where none are to be written. @throws the system's error where the folder can not be had */
export async function copyFiles(
  { captures: folder, captureSize, captureFiles: files }: CaptureFlags,
  clock: Clock,
  warn: (line: string) => void,
): Promise<CopyFiles | undefined> {
  if (folder === undefined) return undefined
  await makeFolder(folder)
  // Who writes none starts faster without.
  const { CopyFiles } = await import('../datapath/host/copy-files.ts')
  return new CopyFiles({ clock, folder, size: captureSize * MEBIBYTE, files, warn })
}
