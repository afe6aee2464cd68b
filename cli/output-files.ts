import { constants } from 'node:fs'
import { access, open, stat, unlink } from 'node:fs/promises'

/**
 * Finds out whether results can be written to these files before the work that they come of, rather than after it. What is there stays as it
 * is, and nothing is left where nothing was.
 * @throws what the system says of the first that can not be
 */
export async function checkWritable(...paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue
    const there = await stat(path).catch(() => undefined)
    if (there === undefined) await tryOut(path)
    else if (there.isDirectory()) throw Object.assign(new Error(`${path} is a folder`), { code: 'EISDIR', path })
    else await access(path, constants.W_OK)
  }
}

async function tryOut(path: string): Promise<void> {
  const file = await open(path, 'wx')
  await file.close()
  await unlink(path)
}
