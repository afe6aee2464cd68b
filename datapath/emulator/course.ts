import type { Dock } from '../host/host.ts'

/** What frames of one kind have in common, as long as nothing changes: where a guest sends them, and which way they take. */
export class Course {
  readonly nic: string
  /** Found when the first of them is sent. */
  dock: Dock | undefined

  constructor(nic: string) {
    this.nic = nic
  }
}
