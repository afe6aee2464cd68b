// A controller that waits for a switch to dial it.

import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { formatEndpoint } from '../../../runtime/endpoint.ts'
import { listen } from '../../../runtime/sockets.ts'

export interface WaitingController {
  /** What a switch dials: `tcp:127.0.0.1:PORT`. */
  target: string
  /** Once a switch has dialled, and speaks OpenFlow 1.3. */
  dialled: Promise<OpenFlowConnection>
  close(): Promise<void>
}

export async function waitingController(): Promise<WaitingController> {
  let take: (connection: OpenFlowConnection) => void = () => {}
  const dialled = new Promise<OpenFlowConnection>((resolve) => (take = resolve))
  const at = { kind: 'tcp', passive: true, host: '127.0.0.1', port: 0 } as const
  const listener = await listen(at, undefined, (channel) => {
    const connection = new OpenFlowConnection(channel)
    connection.onAgreed = () => take(connection)
  })
  return { target: formatEndpoint({ ...listener.endpoint, passive: false }), dialled, close: () => listener.close() }
}
