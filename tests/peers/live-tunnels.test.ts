// `signalbox host` on a real network: its tunnels end at those of the Linux kernel and of Open vSwitch, and its vNICs are kernel stacks
// on TAPs. Needs root for the namespaces, and the Debian packages iproute2, iputils-ping, ethtool, iperf3 and openvswitch-switch.

import { describe, expect, onTestFinished, test } from 'vitest'
import { GREEN_MTU, GUESTS, LiveSite, VTEPS } from './support/live-site.ts'
import { type Namespace, namespacesRefused } from './support/namespaces.ts'
import { type Ovs, ovsInstalled, startOvs } from './support/ovs.ts'
import { carried } from './support/network-tools.ts'

/** `a` on a host of ours, and a namespace for `b` on h2, which is to be reached by VXLAN. */
async function oneHost(): Promise<{ site: LiveSite; a: Namespace; b: Namespace }> {
  const site = await LiveSite.start(['h1'])
  onTestFinished(async () => void (await site.stop()))
  const a = await site.addNamespace('a')
  await site.attach('a', 'h1')
  await site.settle('a', await site.takeTap('a', 'h1', a), a)
  // No card completes the checksums of what a veth carries, and neither do those who take it out of a UDP socket or off the device.
  for (const host of ['h1', 'h2'] as const) await site.namespace(host).run('ethtool', '-K', 'under0', 'tx', 'off')
  return { site, a, b: site.namespace('h2') }
}

const ping = (from: Namespace, to: keyof typeof GUESTS, ...words: string[]) =>
  from.run('ping', '-c', '10', '-i', '0.05', '-w', '60', '-q', ...words, GUESTS[to].address)

/** Of both ways: whether pings are answered, without and with the longest packets that fit, and whom ARP has found. */
async function met(from: Namespace, to: Namespace) {
  const longest = ['-M', 'do', '-s', String(GREEN_MTU - 28)]
  const said = [
    await ping(to, 'a'),
    await ping(from, 'b'),
    await ping(from, 'b', ...longest),
    await ping(to, 'a', ...longest),
  ]
  const neighbours = [
    await from.ip('neighbour', 'show', GUESTS.b.address),
    await to.ip('neighbour', 'show', GUESTS.a.address),
  ]
  return {
    answered: said.map((text) => Number(/(\d+) received/.exec(text)?.[1]) >= 10),
    macs: neighbours.map((text) => /lladdr (\S+)/.exec(text)?.[1]),
  }
}

const MET = { answered: [true, true, true, true], macs: [GUESTS.b.mac, GUESTS.a.mac] }

const refused = namespacesRefused()
describe.skipIf(refused !== undefined)(`tunnels${refused === undefined ? '' : ` (${refused})`}`, () => {
  test('a VXLAN interface of the Linux kernel', async () => {
    const { site, a, b } = await oneHost()
    const ends = ['local', VTEPS.h2, 'remote', VTEPS.h1, 'dstport', '4789', 'dev', 'under0']
    await b.ip('link', 'add', 'vxlan0', 'type', 'vxlan', 'id', '5001', ...ends)
    await site.settle('b', 'vxlan0', b)
    expect(await met(a, b)).toEqual(MET)
    expect(await carried(a, b, GUESTS.b.address, '--bytes', '15M')).toBeGreaterThan(8e6)
    expect(await carried(b, a, GUESTS.a.address, '--bytes', '15M')).toBeGreaterThan(8e6)
  })

  test.runIf(ovsInstalled())('a VXLAN port of Open vSwitch, in its userspace datapath', async () => {
    const { site, a, b } = await oneHost()
    const ovs = await startOvs(b.name)
    onTestFinished(() => ovs.stop())
    await addBridge(ovs, 'under')
    await addBridge(ovs, 'over', `other_config:hwaddr="${GUESTS.b.mac}"`)
    // Tunnels leave by the bridge that has their address.
    await b.ip('address', 'flush', 'dev', 'under0')
    await ovs.vsctl('add-port', 'under', 'under0')
    await b.configure('under', `${VTEPS.h2}/24`)
    const ends = [`local_ip=${VTEPS.h2}`, `remote_ip=${VTEPS.h1}`, 'key=5001'].map((word) => `options:${word}`)
    await ovs.vsctl('add-port', 'over', 'vxlan0', '--', 'set', 'interface', 'vxlan0', 'type=vxlan', ...ends)
    await site.settle('b', 'over', b)
    expect(await met(a, b)).toEqual(MET)
    expect(await carried(a, b, GUESTS.b.address, '--bytes', '15M')).toBeGreaterThan(8e6)
    expect(await carried(b, a, GUESTS.a.address, '--bytes', '15M')).toBeGreaterThan(8e6)
  })
})

/** A learning switch, which has devices of the kernel. */
const addBridge = (ovs: Ovs, name: string, ...settings: string[]) =>
  ovs.vsctl('add-br', name, '--', 'set', 'bridge', name, 'datapath_type=netdev', 'fail_mode=standalone', ...settings)
