import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openflowDoc } from '../../scripts/openflow-doc.ts'

test('docs/openflow.md says what the code does', () => {
  expect(readFileSync(new URL('../../docs/openflow.md', import.meta.url), 'utf8')).toBe(openflowDoc())
})
