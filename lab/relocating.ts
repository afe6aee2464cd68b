// Drains and rebalancings as scenarios ask for them.

import type { Controller } from '../controller/controller.ts'
import type { RelocationStatus } from '../controller/model.ts'
import type { Step } from '../topologies/scenario.ts'

type MoveMany = Extract<Step, { type: 'drain' | 'rebalance' }>

export function beginMoves({ relocations }: Controller, step: MoveMany): Promise<RelocationStatus> {
  const { pause, parallel } = step
  const options = { pause, ...(parallel !== undefined && { parallel }) }
  if (step.type === 'drain') return relocations.drain(step.host, options)
  const { by, window } = step
  return relocations.rebalance({ ...options, ...(by && { by }), ...(window !== undefined && { window }) })
}
