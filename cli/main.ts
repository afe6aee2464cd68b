#!/usr/bin/env node
import { signalbox } from './program.ts'

await signalbox(process.argv.slice(2))
