// Wires as people write them: KIND:WHERE.

import { isIP } from 'node:net'
import type { Endpoint } from '../endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../endpoint.ts'
import type { DatagramAddress, DatagramSpec, StreamSpec, TapSpec, WireSpec } from './wire.ts'

export const WIRE_FORMS = {
  dgram: 'dgram:LOCAL_HOST:PORT,REMOTE_HOST:PORT',
  stream: 'stream:ptcp:PORT[:HOST], stream:punix:FILE, stream:tcp:HOST:PORT, stream:unix:FILE',
  tap: 'tap:NAME[,mtu=BYTES]',
  interface: 'interface:NAME',
} as const satisfies Record<WireSpec['kind'], string>

const PARSERS: Readonly<Record<WireSpec['kind'], (rest: string) => WireSpec>> = {
  dgram: parseDatagrams,
  stream: parseStream,
  tap: parseTap,
  interface: (name) => ({ kind: 'interface', name: deviceName(name) }),
}

/** @throws Error a text of another form, with the forms that there are. */
export function parseWire(text: string): WireSpec {
  const [, kind = '', rest = ''] = /^(\w+):(.*)$/s.exec(text) ?? []
  if (!isKind(kind)) throw new Error(`'${text}' is no wire; expected ${Object.values(WIRE_FORMS).join(', ')}`)
  return PARSERS[kind](rest)
}

const isKind = (kind: string): kind is WireSpec['kind'] => Object.hasOwn(PARSERS, kind)

/** The text that `parseWire` reads the same from. */
export function formatWire(spec: WireSpec): string {
  switch (spec.kind) {
    case 'dgram':
      return `dgram:${formatAddress(spec.local)},${formatAddress(spec.remote)}`
    case 'stream':
      return `stream:${formatEndpoint(spec.endpoint)}`
    case 'tap':
      return `tap:${spec.name}${spec.mtu === undefined ? '' : `,mtu=${spec.mtu}`}`
    case 'interface':
      return `interface:${spec.name}`
  }
}

function parseDatagrams(rest: string): DatagramSpec {
  const ends = rest.split(',')
  if (ends.length !== 2) throw new Error(`'dgram:${rest}' has not two ends; expected ${WIRE_FORMS.dgram}`)
  const [local, remote] = ends.map(parseAddress) as [DatagramAddress, DatagramAddress]
  const families = [local, remote].map(({ host }) => isIP(host)).filter((family) => family !== 0)
  if (new Set(families).size > 1) throw new Error('both ends of a wire have to be of IPv4, or both of IPv6')
  // Nobody can be sent anything at port 0.
  if (remote.port === 0) throw new Error(`'${formatAddress(remote)}' is no remote end; expected a port from 1 to 65535`)
  return { kind: 'dgram', local, remote }
}

function parseAddress(text: string): DatagramAddress {
  const found = /^(\[[^\]]+\]|[^:[\]]+):(\d+)$/.exec(text)
  if (found === null) throw new Error(`'${text}' is no address; expected HOST:PORT, IPv6 in brackets`)
  return { host: found[1]!.replace(/^\[|\]$/g, ''), port: whole(found[2]!, 0, 65535, 'the UDP port') }
}

const formatAddress = ({ host, port }: DatagramAddress) => `${host.includes(':') ? `[${host}]` : host}:${port}`

function parseStream(rest: string): StreamSpec {
  // A default port is OpenFlow's, and no place for frames.
  const portless = /^(ptcp:(?!\d)|tcp:(\[[^\]]*\]|[^:]*)$)/.test(rest)
  if (portless || !/^p?(tcp|unix):./.test(rest))
    throw new Error(`'stream:${rest}' is no stream; expected ${WIRE_FORMS.stream}`)
  const endpoint: Endpoint = parseEndpoint(rest)
  return { kind: 'stream', endpoint }
}

function parseTap(rest: string): TapSpec {
  const [name = '', ...options] = rest.split(',')
  const spec: TapSpec = { kind: 'tap', name: deviceName(name) }
  for (const option of options) {
    const digits = /^mtu=(.*)$/.exec(option)?.[1]
    if (digits === undefined) throw new Error(`'${option}' says nothing of a TAP; expected ${WIRE_FORMS.tap}`)
    spec.mtu = whole(digits, 68, 65521, 'mtu')
  }
  return spec
}

/** What Linux takes as the name of an interface (dev_valid_name), less what has a meaning here. */
function deviceName(text: string): string {
  const isName = /^[^\s/:,;%@]{1,15}$/.test(text) && text !== '.' && text !== '..'
  if (!isName)
    throw new Error(`'${text}' is no name of an interface; expected up to 15 letters, digits, '-', '_' and '.'`)
  return text
}

function whole(text: string, from: number, to: number, name: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(number >= from && number <= to)) throw new Error(`${name} '${text}'; expected ${from} to ${to}`)
  return number
}
