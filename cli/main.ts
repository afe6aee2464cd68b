#!/usr/bin/env node
import { outliveReaders } from './output-streams.ts'
import { signalbox } from './program.ts'

outliveReaders(process)
await signalbox(process.argv.slice(2))
