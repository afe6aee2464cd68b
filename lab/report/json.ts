import type { Verdict } from '../verdict.ts'

export const jsonReport = (verdict: Verdict): string => JSON.stringify(verdict, null, 2) + '\n'
