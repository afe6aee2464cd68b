// What must hold, whatever happens: the promises that a run is held to.

export const INVARIANTS = {
  'no-leak': 'no frame is heard by somebody who may not',
  'no-duplicate': 'no frame is heard twice',
  'no-reorder': 'no frame overtakes another of its flow',
  'no-loss': 'no frame is lost but those that an injected failure excuses',
  'one-place': 'at most one place of a VM is open',
  'whole-policy': 'a port is open only while its whole policy is in force there',
  'within-limits': 'a vNIC keeps to its rates, also while it moves',
  answered: 'who is denied something by groups that reject hears so',
  acknowledged: 'what was acknowledged is kept',
  'nothing-left': 'a host that a VM has moved from, or that a move has gone back from, has nothing of the VM',
  ended: 'every move ends, done or aborted, and its guest runs where the controller says',
  'in-sync': 'when all is quiet, every switch has what was asked for, and nothing else',
  isolated: 'networks that the scenario calls isolated are',
  'comes-to-rest': 'everything that was asked for comes to an end',
  'no-crash': 'nothing throws that nobody expected',
} as const

export type Invariant = keyof typeof INVARIANTS

export interface Breakage {
  invariant: Invariant
  /** What was found, in a sentence. */
  why: string
}
