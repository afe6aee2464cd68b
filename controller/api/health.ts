import type { FastifyReply } from 'fastify'
import type { Controller } from '../controller.ts'
import type { Api } from './api.ts'
import { problem, sendProblem } from './errors.ts'
import { choice, closed, count, texts } from './schemas.ts'

const Health = closed({
  status: choice(
    ['ok', 'degraded'],
    'Degraded: a switch is away, or lacks something, or a host can not run as it should.',
  ),
  switches: closed({
    total: count('Switches that the topology has.'),
    connected: count('Of them, connected.'),
    inSync: count('Of them, with everything desired in place.'),
  }),
  problems: texts('A sentence for each switch and host that is not well.'),
})
const Alive = closed({ status: choice(['ok'], 'The process answers.') })

export function healthRoutes(api: Api, controller: Controller): void {
  api.get(
    '/health',
    { schema: { tags: ['health'], summary: 'How the controller and its switches are', response: { 200: Health } } },
    async () => healthOf(controller),
  )
  api.get(
    '/health/live',
    {
      config: { role: 'anyone' },
      schema: { tags: ['health'], summary: 'Whether the process answers', response: { 200: Alive } },
    },
    async () => ({ status: 'ok' as const }),
  )
  api.get(
    '/health/ready',
    {
      schema: {
        tags: ['health'],
        summary: 'Whether every connected switch has what it should have; 503 where not',
        response: { 200: Health },
      },
    },
    async (_request, reply) => {
      const health = healthOf(controller)
      if (controller.superseded === undefined && health.switches.inSync >= health.switches.connected) return health
      sendProblem(reply as unknown as FastifyReply, problem(503, 'not-ready', health.problems.join('\n')))
      return reply
    },
  )
}

function healthOf(controller: Controller) {
  const switches = controller.switches()
  const unwell = switches.filter(({ connected, inSync }) => !connected || !inSync)
  const hosts = controller.topology.hosts.flatMap(({ name }) => {
    const why = controller.hostProcess(name)?.problem
    return why === undefined ? [] : [`${name}: ${why}`]
  })
  return {
    status: unwell.length === 0 && hosts.length === 0 ? ('ok' as const) : ('degraded' as const),
    switches: {
      total: switches.length,
      connected: switches.filter(({ connected }) => connected).length,
      inSync: switches.filter(({ connected, inSync }) => connected && inSync).length,
    },
    problems: [
      ...(controller.superseded === undefined ? [] : [controller.superseded]),
      ...unwell.map(
        ({ name, connected, problem: why }) =>
          `${name}: ${why ?? (connected ? 'changes are under way' : 'not connected')}`,
      ),
      ...hosts,
    ],
  }
}
