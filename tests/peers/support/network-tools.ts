// Real programs between two network namespaces. Needs the Debian packages iputils-ping and iperf3.

import type { Namespace } from './namespaces.ts'

/** Rejects where five pings are not answered in time. One that is late, on a busy machine, is sent again. */
export const reached = (from: Namespace, address: string): Promise<string> =>
  from.run('ping', '-c', '5', '-i', '0.1', '-w', '60', '-q', address)

/** What has arrived of 40 MB when the last has left, by iperf3. */
export async function carried(from: Namespace, to: Namespace, address: string, ...words: string[]): Promise<number> {
  const server = to.start('iperf3', '--server', '--one-off', '--forceflush')
  await new Promise<void>((resolve) => server.stdout!.on('data', () => resolve()))
  const said = await from.run(
    'iperf3',
    '--client',
    address,
    '--connect-timeout',
    '20000',
    '--bytes',
    '40M',
    '--json',
    ...words,
  )
  return (JSON.parse(said) as { end: { sum_received: { bytes: number } } }).end.sum_received.bytes
}
