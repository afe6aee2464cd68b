import type { Dock, Host } from '../host/host.ts'
import type { Way } from './way.ts'

/** What frames of one kind have in common, as long as nothing changes. Found when the first of them goes in company. */
export class Course {
  readonly nic: string
  /** Where the vNIC's guest sends them. */
  dock: Dock | undefined
  /** Their way through the fabric, if they take one that is known, and where it leads. */
  way: Way | undefined
  target: Host | undefined

  constructor(nic: string) {
    this.nic = nic
  }
}
