// Runs the tests against Open vSwitch, tshark and the kernel. They need Debian packages and, for some, root; this installs
// the packages where they are missing, runs the tests and ends with one line: `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const report = join(root, 'reports/peers.json')

/** A command that tells whether its package is there. */
const packages = {
  'ovs-vswitchd': 'openvswitch-switch',
  'ovs-testcontroller': 'openvswitch-testcontroller',
  'osken-manager': 'python3-os-ken',
  openssl: 'openssl',
  tshark: 'tshark',
  tcpdump: 'tcpdump',
  ip: 'iproute2',
  nft: 'nftables',
  ethtool: 'ethtool',
  python3: 'python3',
  ping: 'iputils-ping',
  socat: 'socat',
  iperf3: 'iperf3',
  'qemu-system-x86_64': 'qemu-system-x86',
  cpio: 'cpio',
}

// Daemons and network tools are where a user's PATH may not lead.
process.env['PATH'] += ':/usr/sbin:/sbin'
installMissing()
runTests()
process.exitCode = summarize() ? 0 : 1

function installMissing() {
  const missing = Object.keys(packages).filter((command) => !isInstalled(command))
  if (missing.length === 0) return
  const names = missing.map((command) => packages[command])
  if (process.getuid?.() !== 0)
    stop(`test:peers needs the Debian packages ${names.join(', ')}: install them, or run this as root.`)
  apt('update', '-qq')
  // A package may fail to configure where its daemon cannot start. The tests start their own; only the commands matter.
  apt('install', '-y', '-qq', '--no-install-recommends', ...names)
  const still = missing.filter((command) => !isInstalled(command))
  if (still.length > 0) stop(`test:peers could not install ${still.map((command) => packages[command]).join(', ')}.`)
}

function isInstalled(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
}

function apt(...args) {
  spawnSync('apt-get', args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

function runTests() {
  mkdirSync(join(root, 'reports'), { recursive: true })
  rmSync(report, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  spawnSync(process.execPath, [vitest, 'run', '--project', 'peers', ...reporters, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  })
}

/** Prints the counts of the report; true where something passed and nothing failed. */
function summarize() {
  const { passed, failed, skipped } = counts()
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return passed > 0 && failed === 0
}

/** A file that failed before its tests began counts as one failed test. */
function counts() {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = read()
  const broken = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  )
  return { passed: numPassedTests, failed: numFailedTests + broken.length, skipped: numPendingTests + numTodoTests }
}

function read() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    stop('test:peers: vitest left no report.\n0 passed, 1 failed')
  }
}

function stop(sentence) {
  console.log(sentence)
  process.exit(1)
}
