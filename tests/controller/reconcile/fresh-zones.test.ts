import { expect, test } from 'vitest'
import type { Message } from '../../../protocols/control/messages.ts'
import type { PortPolicy, SecurityGroup, Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'

const H1 = 'h1/br-int'
const web = (port: number): SecurityGroup => ({
  name: 'web',
  stateful: true,
  onRuleRemoval: 'cut',
  rules: [{ direction: 'ingress', ethertype: 'IPv4', protocol: 6, ports: { first: port, last: port } }],
})

/** The VM `a` of h1 under another name where one is given, with these groups. */
function withGroups(groups: string[] | undefined, { name = 'a', port = 80 } = {}): Topology {
  const topology = threeHosts()
  const policy: PortPolicy = { portSecurity: true, ...(groups && { securityGroups: groups }) }
  const vms = topology.vms.map((vm) => {
    if (vm.name !== 'a') return vm
    return { ...vm, name, nics: vm.nics.map((nic) => ({ ...nic, id: `${name}:eth0`, vm: name, policy })) }
  })
  return { ...topology, securityGroups: [web(port)], vms }
}

/** What h1 is told in short, when the topology changes from the one to the other. */
async function told(before: Topology, after: Topology): Promise<string[]> {
  const fleet = await controlledFleet(before)
  const said: string[] = []
  const device = fleet.switches.get(H1)!
  device.onReceived = (message: Message) => {
    if (message.type === 'flushConnections') said.push(`flush ${message.filter.zone}`)
    if (message.type === 'bundleControl' && message.command === 'commit') said.push('commit')
    if (message.type === 'bundleAdd' && message.message.type === 'portMod' && message.message.command !== 'delete')
      said.push(`port ${message.message.port.state}`)
  }
  await fleet.settle(fleet.controller.apply(after))
  return said
}

test('a vNIC that comes has no connections of whoever had its zone before', async () => {
  const said = await told(withGroups(['web']), withGroups(['web'], { name: 'other' }))
  expect(said).toEqual(['flush 4096', 'port closed', 'commit', 'flush 4096', 'port open', 'commit'])
})

test('one that is filtered from now on begins without any', async () => {
  expect(await told(withGroups(undefined), withGroups(['web']))).toEqual(['flush 4096', 'commit'])
})

test('zones of many vNICs are flushed behind one barrier', async () => {
  const [before, after] = [withGroups(undefined), withGroups(['web'])]
  const [a] = after.vms
  const more = Array.from({ length: 8 }, (_, index) => {
    const name = `more${index}`
    const nics = a!.nics.map((nic) => ({ ...nic, id: `${name}:eth0`, vm: name, mac: `02:00:00:00:01:0${index}` }))
    return { ...a!, name, nics: nics.map((nic) => ({ ...nic, addresses: [`10.0.0.${100 + index}`] })) }
  })
  const fleet = await controlledFleet(before)
  const said: string[] = []
  fleet.switches.get(H1)!.onReceived = ({ type }: Message) => {
    if (type === 'flushConnections' || type === 'barrierRequest') said.push(type)
  }
  await fleet.settle(fleet.controller.apply({ ...after, vms: [...after.vms, ...more] }))
  const flushes = Array.from({ length: 9 }, () => 'flushConnections')
  // Before the flows, and of those that were not open yet once more before their ports are.
  expect(said).toEqual([...flushes, 'barrierRequest', ...flushes.slice(1), 'barrierRequest'])
})

test('other rules and other groups leave connections alone', async () => {
  expect(await told(withGroups(['web']), withGroups(['web'], { port: 443 }))).toEqual(['commit'])
  expect(await told(withGroups(['web']), withGroups([]))).toEqual(['commit'])
})
