// An app of the controller that does not do its part.

import { onTestFinished } from 'vitest'
import type { App, Many } from '../../controller/apps/app.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'

/** Until the test is over, all that the app says, but for what it shares between groups, is what `how` makes of it. */
export function breakApp(app: App, how: (flows: FlowSpec[]) => FlowSpec[]): void {
  const whole = { ...app }
  onTestFinished(() => void Object.assign(app, whole))
  const { always, ofVnic, ofNetwork, ofGroups, ofMany } = whole
  const broken: App = {
    ...(always && { always: how([...always]) }),
    ...(ofVnic && { ofVnic: (...args) => how(ofVnic(...args)) }),
    ...(ofNetwork && { ofNetwork: (...args) => how(ofNetwork(...args)) }),
    ...(ofGroups && { ofGroups: (groups) => ({ ...ofGroups(groups), own: how(ofGroups(groups).own) }) }),
    ...(ofMany && {
      ofMany: (...args) =>
        ofMany(...args).map((one) =>
          'at' in one ? { at: (at) => brokenMany(one.at(at), how) } : brokenMany(one, how),
        ),
    }),
  }
  Object.assign(app, broken)
}

const brokenMany = (many: Many, how: (flows: FlowSpec[]) => FlowSpec[]): Many => ({
  ...many,
  flows: (value) => how(many.flows(value)),
})
