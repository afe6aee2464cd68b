// Real guests: QEMU under software emulation runs Debian's cloud kernel with a busybox in memory, and a shell on its serial port. Needs the
// Debian packages qemu-system-x86 and cpio; kernel and busybox are taken out of packages that are only downloaded.

import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { promisify } from 'node:util'
import type { Namespace } from './namespaces.ts'

const run = promisify(execFile)

const QEMU = 'qemu-system-x86_64'
const MACHINE = '-nodefaults -no-user-config -display none -no-reboot -machine pc,accel=tcg -m 128 -serial stdio'.split(
  ' ',
)
/** The timer is not tried out: on a busy machine it may tick too late for that, and the kernel would panic. A panic is told. */
const KERNEL_WORDS = 'console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check'
const KERNEL_PACKAGE = 'linux-image-cloud-amd64'

/** What a network card of virtio needs, in the order in which they go in. */
const MODULES = [
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci',
  'drivers/net/virtio_net',
]

/** Says READY, then runs what comes in line by line and says how each ended. A serial port may lose a character: each line tells its length. */
const READY = '@ready'
const GARBLED = '@garbled'
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in ${MODULES.map((path) => basename(path)).join(' ')}; do insmod /modules/$module.ko; done
ip link set lo up
stty -F /dev/ttyS0 raw -echo
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
echo ${READY}
while read -r length line; do
  if [ "$length" = \${#line} ]; then eval "$line"; echo "@$?"; else echo ${GARBLED}; fi
done
`

/** What a guest's ping says of three where one was answered at least; on a busy machine the others may be late. */
export const ANSWERED = / [1-3] packets received/

/** Why this machine can run no guests; undefined where it can. */
export function guestsRefused(): string | undefined {
  try {
    for (const command of [QEMU, 'cpio', 'dpkg-deb']) execFileSync(command, ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs the Debian packages qemu-system-x86 and cpio'
  }
}

/** What a guest boots from; made once, and kept from run to run. */
async function bootFiles(): Promise<{ kernel: string; initrd: string }> {
  const kept = join(tmpdir(), `signalbox-guest-${createHash('sha256').update(INIT).digest('hex').slice(0, 12)}`)
  const files = { kernel: join(kept, 'kernel'), initrd: join(kept, 'initrd') }
  if (existsSync(files.initrd)) return files
  const work = mkdtempSync(`${kept}-`)
  try {
    await makeBootFiles(work)
    renameSync(work, kept)
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    // Another test may have been quicker.
    if (!existsSync(files.initrd)) throw error
  }
  return files
}

async function makeBootFiles(work: string): Promise<void> {
  const unpacked = join(work, 'unpacked')
  const root = join(work, 'root')
  for (const name of [await kernelPackage(), 'busybox-static']) await unpack(name, unpacked)
  const [kernel] = readdirSync(join(unpacked, 'boot')).filter((file) => file.startsWith('vmlinuz'))
  const [version] = readdirSync(join(unpacked, 'lib/modules'))
  for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev']) mkdirSync(join(root, folder), { recursive: true })
  copyFileSync(join(unpacked, 'bin/busybox'), join(root, 'bin/busybox'))
  for (const path of MODULES) {
    const module = join(unpacked, 'lib/modules', version!, 'kernel', `${path}.ko`)
    copyFileSync(module, join(root, 'modules', `${basename(path)}.ko`))
  }
  writeFileSync(join(root, 'init'), INIT)
  chmodSync(join(root, 'init'), 0o755)
  await run('sh', ['-c', `find . | cpio -o -H newc --quiet > ${join(work, 'initrd')}`], { cwd: root })
  copyFileSync(join(unpacked, 'boot', kernel!), join(work, 'kernel'))
  for (const folder of [unpacked, root]) rmSync(folder, { recursive: true })
}

/** The package with the kernel in it: the one that people name only leads to it. */
async function kernelPackage(): Promise<string> {
  const depends = async () =>
    /Depends: (linux-image-\S+)/.exec((await run('apt-cache', ['depends', KERNEL_PACKAGE])).stdout)?.[1]
  const name = (await depends()) ?? (await run('apt-get', ['update', '-qq']).then(depends))
  if (name === undefined) throw new Error(`apt knows no ${KERNEL_PACKAGE}`)
  return name
}

async function unpack(name: string, into: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'signalbox-deb-'))
  try {
    const download = () => run('apt-get', ['download', '-qq', name], { cwd: work })
    // What apt knows may be older than what there is.
    await download().catch(() => run('apt-get', ['update', '-qq']).then(download))
    await run('dpkg-deb', ['-x', join(work, readdirSync(work)[0]!), into])
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

export interface GuestOptions {
  /** What stands after `-netdev`, but for the id: `dgram,local.type=inet,…`. */
  netdev: string
  mac: string
  /** It waits for a guest that moves in: `tcp:127.0.0.1:PORT`. */
  incoming?: string
  /** It boots nothing before its monitor is told to. */
  waits?: boolean
  /** Where its sockets are. */
  namespace?: Namespace
}

export class Guest {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  readonly #folder: string
  readonly #ended: Promise<unknown>
  #said = ''

  private constructor(child: ChildProcessWithoutNullStreams, folder: string) {
    this.#process = child
    this.#folder = folder
    this.#ended = once(child, 'exit')
    child.stderr.on('data', (text: Buffer) => (this.#said += text.toString()))
    const reader: Interface = createInterface({ input: child.stdout })
    this.#lines = reader[Symbol.asyncIterator]()
  }

  /** Boots a guest, and waits until its shell is there; one that waits, for another to move in or to be let run, is given out at once. */
  static async start({ netdev, mac, incoming, waits = false, namespace }: GuestOptions): Promise<Guest> {
    const { kernel, initrd } = await bootFiles()
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-guest-run-'))
    const [kind, ...rest] = netdev.split(',')
    const within = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace.name]
    const [command, ...words] = [
      ...within,
      QEMU,
      ...MACHINE,
      '-kernel',
      kernel,
      '-initrd',
      initrd,
      '-append',
      KERNEL_WORDS,
      '-qmp',
      `unix:${folder}/qmp,server=on,wait=off`,
      '-netdev',
      [kind, 'id=net', ...rest].join(),
      '-device',
      `virtio-net-pci,netdev=net,mac=${mac},romfile=`,
      ...(incoming === undefined ? [] : ['-incoming', incoming]),
      ...(waits ? ['-S'] : []),
    ]
    const guest = new Guest(spawn(command!, words), folder)
    if (incoming === undefined && !waits) await guest.booted()
    else await guest.#listening()
    return guest
  }

  /** Resolves when its shell is there. */
  async booted(): Promise<void> {
    await this.#until((line) => line === READY)
  }

  /** Runs a line of shell in the guest, and gives what it prints. Rejects where it fails. */
  async run(command: string): Promise<string> {
    let { lines, last } = await this.#ask(command)
    while (last === GARBLED) ({ lines, last } = await this.#ask(command))
    const text = lines.join('\n')
    if (last !== '@0') throw new Error(`${command}: ended with ${last.slice(1)}: ${text}`)
    return text
  }

  #ask(command: string): Promise<{ lines: string[]; last: string }> {
    this.#process.stdin.write(`${command.length} ${command}\n`)
    return this.#until((line) => /^@(\d+|garbled)$/.test(line))
  }

  /** Where QEMU itself can be asked. */
  get monitor(): string {
    return `unix:${join(this.#folder, 'qmp')}`
  }

  /** Asks QEMU itself: one command of its QMP. */
  async qmp(execute: string, args: object = {}): Promise<unknown> {
    const socket = connect(join(this.#folder, 'qmp'))
    await once(socket, 'connect')
    try {
      const answers = createInterface({ input: socket })[Symbol.asyncIterator]()
      await answers.next()
      for (const question of [{ execute: 'qmp_capabilities' }, { execute, arguments: args }])
        socket.write(JSON.stringify(question))
      await answers.next()
      for (;;) {
        const { value, done } = await answers.next()
        if (done === true) throw new Error(`QEMU has ended: ${this.#said}`)
        const { return: returned, error } = JSON.parse(value) as { return?: unknown; error?: { desc: string } }
        if (error !== undefined) throw new Error(error.desc)
        if (returned !== undefined) return returned
      }
    } finally {
      socket.destroy()
    }
  }

  /** It answers once it has begun to listen for the guest that moves in. */
  async #listening(): Promise<void> {
    while (this.#process.exitCode === null) {
      const answer = await this.qmp('query-status').catch(() => undefined)
      if (answer !== undefined) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`QEMU has ended: ${this.#said}`)
  }

  /** Moves the guest into the QEMU that waits at `uri`, and gives back when it runs there. */
  migrate(uri: string): Promise<void> {
    return this.#migrateAsFarAs('completed', uri)
  }

  /** The guest stands still, and the last of it has yet to go (`migrate-continue`). */
  async migrateUntilItStands(uri: string): Promise<void> {
    await this.qmp('migrate-set-capabilities', {
      capabilities: [{ capability: 'pause-before-switchover', state: true }],
    })
    await this.#migrateAsFarAs('pre-switchover', uri)
  }

  async #migrateAsFarAs(wanted: string, uri: string): Promise<void> {
    await this.qmp('migrate', { uri })
    for (;;) {
      const { status } = (await this.qmp('query-migrate')) as { status: string }
      if (status === wanted) return
      if (status === 'failed' || status === 'cancelled') throw new Error(`the migration has ${status}: ${this.#said}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #until(last: (line: string) => boolean): Promise<{ lines: string[]; last: string }> {
    const lines: string[] = []
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error(`QEMU has ended: ${this.#said}${lines.join('\n')}`)
      const line = value.replace(/\r$/, '')
      if (last(line)) return { lines, last: line }
      lines.push(line)
    }
  }
}
