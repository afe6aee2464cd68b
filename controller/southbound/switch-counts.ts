/** What has been said with one switch since the controller started, over all its connections. */
export interface SwitchCounts {
  connections: number
  disconnections: number
  /** Flow mods sent. */
  flowMessages: number
  packetIns: number
  /** What the switch refused. */
  errors: number
}

export const noCounts = (): SwitchCounts => ({
  connections: 0,
  disconnections: 0,
  flowMessages: 0,
  packetIns: 0,
  errors: 0,
})
