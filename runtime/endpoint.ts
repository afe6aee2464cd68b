// Where a connection goes to, or is waited for, as Open vSwitch writes it (ovsdb(7), Connection Methods; ovs-vswitchd.conf.db(5)).

export type Endpoint =
  | {
      kind: 'tcp' | 'ssl'
      passive: boolean
      /** Undefined where a passive one listens on every address. */ host?: string
      port: number
    }
  | { kind: 'unix'; passive: boolean; path: string }

/** IANA's number for OpenFlow; Open vSwitch's default too. */
export const OPENFLOW_PORT = 6653

export const DIAL_SYNTAX = 'tcp:HOST[:PORT], ssl:HOST[:PORT], unix:FILE'
export const LISTEN_SYNTAX = 'ptcp:[PORT][:HOST], pssl:[PORT][:HOST], punix:FILE'

/** @throws Error a text of another form, with the forms that there are. */
export function parseEndpoint(text: string): Endpoint {
  const method = /^(p?)(tcp|ssl|unix):(.*)$/.exec(text)
  if (method === null)
    throw new Error(`'${text}' names no connection; expected ${DIAL_SYNTAX}, or to listen ${LISTEN_SYNTAX}`)
  const [, p, kind, rest] = method as unknown as [string, string, 'tcp' | 'ssl' | 'unix', string]
  const passive = p === 'p'
  if (kind === 'unix') {
    if (rest === '') throw new Error(`'${text}' names no file`)
    return { kind, passive, path: rest }
  }
  return passive ? parsePassive(kind, rest, text) : parseActive(kind, rest, text)
}

/** The text that `parseEndpoint` reads the same from. */
export function formatEndpoint(endpoint: Endpoint): string {
  const method = `${endpoint.passive ? 'p' : ''}${endpoint.kind}`
  if (endpoint.kind === 'unix') return `${method}:${endpoint.path}`
  const host = endpoint.host === undefined ? undefined : bracketed(endpoint.host)
  if (endpoint.passive) return [method, endpoint.port, ...(host === undefined ? [] : [host])].join(':')
  return `${method}:${host}:${endpoint.port}`
}

/** Who listens on IPv6 and IPv4 at once sees `::ffff:192.0.2.1` where 192.0.2.1 is meant (RFC 4291, section 2.5.5.2). */
export const withoutMapping = (address: string): string => address.replace(/^::ffff:(?=[\d.]+$)/i, '')

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

function parseActive(kind: 'tcp' | 'ssl', rest: string, text: string): Endpoint {
  const found = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d+))?$/.exec(rest)
  if (found === null) throw new Error(`'${text}' names no host; expected ${kind}:HOST[:PORT], IPv6 in brackets`)
  return { kind, passive: false, host: unbracketed(found[1]!), port: portOf(found[2], text) }
}

function parsePassive(kind: 'tcp' | 'ssl', rest: string, text: string): Endpoint {
  const found = /^(\d*)(?::(\[[^\]]+\]|[^:[\]]+))?$/.exec(rest)
  if (found === null)
    throw new Error(`'${text}' can not be listened on; expected p${kind}:[PORT][:HOST], IPv6 in brackets`)
  const port = portOf(found[1] === '' ? undefined : found[1], text)
  return found[2] === undefined
    ? { kind, passive: true, port }
    : { kind, passive: true, host: unbracketed(found[2]), port }
}

const unbracketed = (host: string) => host.replace(/^\[|\]$/g, '')

function portOf(digits: string | undefined, text: string): number {
  const port = digits === undefined ? OPENFLOW_PORT : Number(digits)
  if (port > 65535) throw new Error(`'${text}': ${port} is no port; expected 0 to 65535`)
  return port
}
