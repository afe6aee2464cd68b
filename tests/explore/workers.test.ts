import { expect, test } from 'vitest'
import { runCli } from '../support/run-cli.ts'

test('what is found is the same however many processes run schedules', async () => {
  const [one, three] = await Promise.all(
    ['1', '3'].map((jobs) =>
      runCli('explore', 'topologies/examples/migration-under-load.json', '--seeds', '60', '--json', '--jobs', jobs),
    ),
  )
  expect(JSON.parse(one!.stdout)).toMatchObject({ schedules: 61 })
  expect(three).toEqual(one)
})
