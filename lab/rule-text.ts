import { appOfCookie } from '../controller/tables.ts'
import type { EmulatedNetwork } from '../datapath/emulator/network.ts'
import type { Hop } from '../datapath/emulator/trail.ts'
import type { Flow } from '../datapath/flow.ts'
import type { Switch } from '../datapath/switch.ts'
import { printFlow } from '../protocols/flow-text/print.ts'

/**
 * The flow to blame for a frame's way, as its switch would dump it: the first of a user's that it met, else the last that sent
 * it on.
 */
export function ruleText(hops: readonly Hop[], network: EmulatedNetwork): string {
  const isUsers = ({ spec }: Flow) => appOfCookie(spec.cookie) === undefined
  const usersHop = hops.find(({ hits }) => hits.some(isUsers))
  const hop = usersHop ?? hops.findLast(({ flow }) => flow !== undefined)
  const flow = usersHop?.hits.find(isUsers) ?? hop?.flow
  if (hop === undefined || flow === undefined) return 'none: no flow was involved'
  const { cookie, table } = flow.spec
  // Cookie and table stand first even where they have the defaults that a dump leaves out.
  const rest = printFlow({ ...flow.spec, cookie: 0n, table: 0 }, { ports: portNames(network.switch(hop.node)) })
  return `cookie=0x${cookie.toString(16)}, table=${table}, ${rest.trim()}`
}

const portNames = (bridge: Switch | undefined) => ({
  number: (name: string) => bridge?.ports.byName(name)?.number,
  name: (number: number) => bridge?.ports.byNumber(number)?.config.name,
})
