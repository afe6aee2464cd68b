import { constants } from 'node:fs'
import { access, mkdir, open, realpath, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

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
  const file = await open(path, 'a')
  await file.close()
  // Not a link that was there already, but what it leads to.
  await unlink(await realpath(path))
}

/** Makes the folder, and those that it is in, where they are not there. One at a time: asked for all of them, Node tries for ever where the system refuses with ENOENT, as in /proc. */
export async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory()) return
  if (found !== undefined) throw new Error(`${folder}: is a file; a folder was expected`)
  const parent = dirname(resolve(folder))
  await makeFolder(parent)
  await mkdir(folder).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new Error(`${folder}: no folder can be made in ${parent}`, { cause: error })
    // Another process may have made it meanwhile.
    const made = await stat(folder).catch(() => undefined)
    if (made?.isDirectory() !== true) throw error
  })
}
