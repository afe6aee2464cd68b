// `ct(…)` and `nat(…)`.

import { formatIpv4, formatIpv6 } from '../address.ts'
import type { Action, CtAction, NatAction } from '../control/messages.ts'
import { APPLICATION_GATEWAYS } from '../control/messages.ts'
import { formatSubfield } from './subfields.ts'

/** A nat that comes first stands beside the other options; what is behind it, in `exec`. */
export function printCt(ct: CtAction, printList: (actions: readonly Action[]) => string): string {
  const [first, ...rest] = ct.actions
  const leads = first?.type === 'nat'
  const nested = leads ? rest : ct.actions
  const said = [
    ...(ct.commit ? ['commit'] : []),
    ...(ct.force ? ['force'] : []),
    ...(ct.table === undefined ? [] : [`table=${ct.table}`]),
    ...(ct.zone === 0 ? [] : [`zone=${typeof ct.zone === 'number' ? ct.zone : formatSubfield(ct.zone)}`]),
    ...(leads ? [printNat(first)] : []),
    ...(nested.length === 0 ? [] : [`exec(${printList(nested)})`]),
    ...(ct.alg === 0 ? [] : [`alg=${gatewayName(ct.alg)}`]),
  ]
  return `ct(${said.join(',')})`
}

const gatewayName = (alg: number): string =>
  Object.entries(APPLICATION_GATEWAYS).find(([, port]) => port === alg)?.[0] ?? String(alg)

export function printNat({ direction, addresses, ports, persistent, algorithm }: NatAction): string {
  if (direction === undefined) return 'nat'
  if (addresses === undefined) return `nat(${direction})`
  const modes = [...(persistent ? ['persistent'] : []), ...(algorithm === undefined ? [] : [algorithm])]
  const text = (address: bigint) => formatEnd(address, addresses.family, ports !== undefined)
  const range = spanned(text(addresses.first), text(addresses.last))
  const portRange = ports === undefined ? '' : `:${spanned(String(ports.first), String(ports.last))}`
  return `nat(${[`${direction}=${range}${portRange}`, ...modes].join(',')})`
}

const spanned = (first: string, last: string) => (first === last ? first : `${first}-${last}`)

/** Ports behind an IPv6 address need brackets around it. */
function formatEnd(address: bigint, family: 4 | 6, hasPorts: boolean): string {
  if (family === 4) return formatIpv4(Number(address))
  return hasPorts ? `[${formatIpv6(address)}]` : formatIpv6(address)
}
