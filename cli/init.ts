import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { PcapngWriter } from '../protocols/capture/pcapng-writer.ts'
import { arpRequest, icmpEchoFrame, udpFrame } from '../protocols/packet/compose.ts'
import { parseIpv4, parseMac } from '../protocols/address.ts'
import { MILLISECOND } from '../runtime/clock.ts'
import { makeFolder } from './output-files.ts'

const TOPOLOGY = 'topology.json'
const SCENARIO = 'scenario.json'
const CAPTURE = 'traffic.pcapng'

const WEB = { mac: '02:00:00:00:0a:01', address: '10.0.10.11' }
const DATABASE = { mac: '02:00:00:00:0a:02', address: '10.0.10.12' }
const OTHER = { mac: '02:00:00:00:14:01', address: '10.0.20.11' }

export function initCommand(): Command {
  return new Command('init')
    .summary('write a small topology, scenario and capture to start from')
    .description(
      `Writes ${TOPOLOGY}, ${SCENARIO} and ${CAPTURE} into a folder. Files that are there already are left alone.`,
    )
    .argument('[folder]', 'where to write', '.')
    .option('--force', 'overwrite what is there')
    .action(async (folder: string, { force }: { force?: true }) => {
      await makeFolder(folder)
      const files: [string, string | Uint8Array][] = [
        [TOPOLOGY, asJson(topology())],
        [SCENARIO, asJson(scenario())],
        [CAPTURE, capture()],
      ]
      if (force !== true)
        await refuseToOverwrite(
          folder,
          files.map(([name]) => name),
        )
      for (const [name, content] of files) await writeFile(join(folder, name), content)
      process.stdout.write(
        `Wrote ${files.map(([name]) => join(folder, name)).join(', ')}.\nNext: signalbox replay ${join(folder, SCENARIO)}\n`,
      )
    })
}

async function refuseToOverwrite(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(folder, name)
    const exists = await access(path).then(
      () => true,
      () => false,
    )
    if (exists) throw new Error(`${path} is there already; --force overwrites it`)
  }
}

const asJson = (value: unknown) => JSON.stringify(value, null, 2) + '\n'

const nic = (network: string, { mac, address }: typeof WEB) => ({ name: 'eth0', network, mac, addresses: [address] })

const topology = () => ({
  version: 1,
  name: 'start-here',
  hosts: [{ name: 'h1' }, { name: 'h2' }],
  networks: [
    { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.10.0/24' }] },
    { name: 'green', type: 'vlan', segment: 20, subnets: [{ cidr: '10.0.20.0/24' }] },
  ],
  vms: [
    { name: 'web1', host: 'h1', nics: [nic('blue', WEB)] },
    { name: 'db1', host: 'h2', nics: [nic('blue', DATABASE)] },
    { name: 'other', host: 'h2', nics: [nic('green', OTHER)] },
  ],
})

const scenario = () => ({
  topology: TOPOLOGY,
  seed: 1,
  timeline: [
    { at: '0s', replay: { capture: CAPTURE, map: 'source-mac' } },
    { at: '500ms', migrate: { vm: 'web1', to: 'h2', pause: '30ms' } },
    { at: '1s', ping: { from: 'web1', to: 'db1' } },
  ],
  expect: [{ isolated: ['blue', 'green'] }, { delivered: { from: 'web1', to: 'db1' } }, { policyFollows: 'web1' }],
})

/** A second of conversation: an ARP request, then an echo request and a datagram every 10 ms. */
function capture(): Uint8Array {
  const blocks: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => blocks.push(bytes.slice()), { application: 'signalbox init' })
  const port = writer.addInterface('capture')
  const ends = {
    ethSrc: parseMac(WEB.mac),
    ethDst: parseMac(DATABASE.mac),
    ipSrc: parseIpv4(WEB.address),
    ipDst: parseIpv4(DATABASE.address),
  }
  const at = (index: number) => BigInt(index * 10 * MILLISECOND)
  writer.write(port, at(0), arpRequest({ ethSrc: ends.ethSrc, ipSrc: ends.ipSrc, ipDst: ends.ipDst }))
  for (let index = 1; index <= 100; index++) {
    writer.write(port, at(index), icmpEchoFrame({ ...ends, identifier: 1, sequence: index }))
    writer.write(
      port,
      at(index) + 1000n,
      udpFrame({ ...ends, srcPort: 40000, dstPort: 9, payload: new Uint8Array(64).fill(index) }),
    )
  }
  return Buffer.concat(blocks)
}
