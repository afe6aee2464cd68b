// JUnit XML, as CI servers read it: a test case for each thing that was checked.

import { wentWell } from '../move-verdict.ts'
import type { Verdict } from '../verdict.ts'

interface TestCase {
  name: string
  /** Why it failed; undefined where it passed. */
  failure?: string
}

export function junitReport(verdict: Verdict): string {
  const cases = casesOf(verdict)
  const failures = cases.filter(({ failure }) => failure !== undefined).length
  const body = cases.map((testCase) => caseXml(testCase, verdict.scenario)).join('\n')
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="${cases.length}" failures="${failures}">
  <testsuite name="${escape(verdict.scenario)}" tests="${cases.length}" failures="${failures}" errors="0" skipped="0">
    <properties>
      <property name="seed" value="${verdict.seed}"/>
      <property name="digest" value="${verdict.digest}"/>
    </properties>
${body}
  </testsuite>
</testsuites>
`
}

function casesOf(verdict: Verdict): TestCase[] {
  const { frames } = verdict
  const none = (name: string, count: number, witness?: string): TestCase =>
    count === 0 ? { name } : { name, failure: `${count} frames${witness === undefined ? '' : `; first: ${witness}`}` }
  const leak = verdict.leaks[0]
  const loss = verdict.losses[0]
  return [
    none(
      'no frame leaked',
      frames.leaked + verdict.made.leaked,
      leak && `frame ${leak.frame} from ${leak.from} to ${leak.to} by ${leak.rule}`,
    ),
    none(
      'no frame lost',
      frames.lost,
      loss && `frame ${loss.frame} from ${loss.from}: ${loss.reason} at ${loss.place}`,
    ),
    none('no frame duplicated', frames.duplicated),
    none('no frame reordered', frames.reordered),
    none('every frame marked as its policy says', frames.unmarked),
    ...verdict.expectations.map(({ expect, held, why }) => caseOf(`expect ${JSON.stringify(expect)}`, held, why)),
    ...verdict.pings.map(({ from, to, expected, held, why }) => caseOf(`ping ${from} ${to}: ${expected}`, held, why)),
    ...verdict.migrations.map((move) =>
      caseOf(
        `migrate ${move.vm} from ${move.from} to ${move.to}`,
        wentWell(move),
        [...complaints(move), move.problem ?? move.state].join('; '),
      ),
    ),
    ...verdict.relocations.map(({ kind, host, state, left }) =>
      caseOf(
        [kind, host].filter(Boolean).join(' '),
        state === 'done',
        left.map(({ vm, problem }) => `${vm}: ${problem}`).join('; ') || state,
      ),
    ),
    ...verdict.problems.map((problem) => caseOf('run', false, problem)),
  ]
}

const complaints = ({ leftBehind, overBudget }: Verdict['migrations'][number]) => [...overBudget, ...leftBehind]

const caseOf = (name: string, held: boolean, why = 'did not hold'): TestCase =>
  held ? { name } : { name, failure: why }

function caseXml({ name, failure }: TestCase, suite: string): string {
  const open = `    <testcase classname="${escape(suite)}" name="${escape(name)}"`
  return failure === undefined
    ? `${open}/>`
    : `${open}>\n      <failure message="${escape(failure)}"/>\n    </testcase>`
}

// Characters that XML 1.0 does not admit at all come out as question marks.
const escape = (text: string) =>
  text
    // oxlint-disable-next-line no-control-regex -- these are the ones to take out
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
