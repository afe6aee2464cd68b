// Keeps web pages from driving an API that listens on loopback: a browser sends simple requests anywhere, and a name in
// somebody's DNS may point at 127.0.0.1.

import { isIP } from 'node:net'
import type { Api } from './api.ts'
import { Forbidden } from './errors.ts'

interface Place {
  hostNames?: readonly string[]
  /** Who asks for tokens may be called anything: a page from elsewhere has none. */
  access?: object
}

/** Refuses requests that a page from elsewhere made, and those addressed to a host name that is not ours. */
export function refuseForeignPages(api: Api, { hostNames = [], access }: Place): void {
  const names = new Set(['localhost', ...hostNames])
  api.addHook('onRequest', async ({ headers, protocol }) => {
    const { host = '', origin } = headers
    const name = hostName(host)
    if (access === undefined && isIP(name) === 0 && !names.has(name))
      throw new Forbidden(`'${name}' is not a name of this server`)
    if (origin !== undefined && origin !== `${protocol}://${host}`)
      throw new Forbidden(`a page from ${origin} may not use this server`)
  })
}

/** `localhost` of `localhost:8080`, `::1` of `[::1]:8080`. */
const hostName = (host: string) =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
