/** Which QEMU has a VM, or waits for it, at a host. */
export interface GuestPlace {
  readonly vm: string
  readonly host: string
  /** Its monitor: `unix:/run/web1.qmp` */
  readonly qmp: string
  /** Where it waits for a guest that moves in, as the QEMU of the source dials it: `tcp:h2.example:4444` */
  readonly incoming?: string
}

/** By VM and host. Never altered. */
export type GuestPlacesByName = ReadonlyMap<string, GuestPlace>
