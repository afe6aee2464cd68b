import { defineConfig } from 'vitest/config'
import { builtModules } from './tests/support/built-modules.ts'

export default defineConfig({
  plugins: [builtModules()],
  test: {
    // Of two processors vitest would leave one idle.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/peers/**', 'tests/explore/**'],
          // Each worker loads, and compiles, what is under test once and not once a file.
          isolate: false,
          // What must come may be waited for, up to 100 s each: a busy machine takes its time.
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'explore',
          include: ['tests/explore/**/*.test.ts'],
          testTimeout: 1_800_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['tests/peers/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
