// Perturbations for people.

import { formatDuration } from '../../topologies/units.ts'
import type { Moment, Perturbation } from './schedule.ts'

const percent = (share: number): string => `${Math.round(share * 100)} %`

export function perturbationAsText(one: Perturbation): string {
  switch (one.kind) {
    case 'shift':
      return `step ${one.step + 1} of the timeline comes ${formatDuration(one.by)} later`
    case 'jitter':
      return `each link takes up to ${formatDuration(one.by)} longer for a frame`
    case 'slow':
      return `what is said ${one.direction === 'down' ? 'to' : 'by'} ${one.switch} takes ${formatDuration(one.latency)}, for ${formatDuration(one.lasts)}`
    case 'split':
      return `of the next bytes ${one.direction === 'down' ? 'to' : 'from'} ${one.switch} ${percent(one.share)} come, the rest ${formatDuration(one.later)} later`
    case 'cut':
      return `the connection of ${one.switch} breaks: ${percent(one.down)} of what is on its way to the switch arrive, ${percent(one.up)} of what is on its way from it; the switch notices after ${formatDuration(one.noticed.switch)} and dials ${formatDuration(one.away)} later, the controller notices after ${formatDuration(one.noticed.controller)}`
    case 'kill':
      return `the controller is killed, ${percent(one.share)} of what it has on its way arrive; it starts again ${formatDuration(one.away)} later`
    case 'takeover':
      return `another controller takes over, and the one before goes on ${formatDuration(one.frozen)} later`
    case 'restart':
      return `the switches of ${one.host} start again with nothing`
    case 'power':
      return `${one.host} has no power for ${formatDuration(one.away)}`
    case 'link':
      return `the link ${one.endpoints.join(' - ')} is down for ${formatDuration(one.away)}`
    case 'late':
      return `the controller's timers are ${formatDuration(one.by)} late, for ${formatDuration(one.lasts)}`
    case 'disk':
      return `the controller's disk is full for ${formatDuration(one.lasts)}`
    case 'abort':
      return 'somebody asks for the moves under way to be aborted'
  }
}

export const momentAsText = (at: Moment): string =>
  'event' in at ? `at event ${at.event}` : `${formatDuration(at.time)} in`
