import { Type } from 'typebox'
import { completeHold } from '../../topologies/hold.ts'
import { DURATION_EXPECTED, DURATION_PATTERN, formatDuration, parseDuration } from '../../topologies/units.ts'
import type { Controller } from '../controller.ts'
import { ACTIVATION_STRATEGIES, MIGRATION_STATES, type MigrationStatus, type MoveRequest } from '../model.ts'
import { identified } from '../named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, IdParams, nanoseconds, optional, text, whole } from './schemas.ts'

const Migration = closed({
  id: text('Its id.'),
  vm: text('VM that moves.'),
  from: text('Host that it comes from.'),
  to: text('Host that it goes to.'),
  state: choice([...MIGRATION_STATES], 'queued waits for its turn; done, aborted and failed are final.'),
  startedAt: nanoseconds("Instant on the controller's clock; negative where it was before the controller started."),
  pausedAt: optional(nanoseconds('When the guest stopped.')),
  resumedAt: optional(nanoseconds('When the guest went on.')),
  endedAt: optional(nanoseconds('When all was over.')),
  blackout: optional(text("From the guest's pause to its going on, as 30ms.")),
  held: count('Frames kept at the source and handed to the destination.'),
  overflowed: count('Frames that its ports dropped as hold_overflow meanwhile, for want of room or time.'),
  redirected: count(
    'Frames that came to the place it had left after the guest had gone on, and were brought after it.',
  ),
  unconfirmed: Type.Array(Type.String(), {
    description:
      'Switches that were not to be told of the move in all the time, and may go on sending to the place it has left.',
  }),
  activatedBy: optional(
    choice([...ACTIVATION_STRATEGIES], 'What has shown that the guest goes on, where that was awaited.'),
  ),
  connections: count('Tracked connections that the guest took along.'),
  steps: Type.Array(closed({ state: choice([...MIGRATION_STATES], 'The step.'), at: nanoseconds('When it began.') }), {
    description: 'What it went through.',
  }),
  connectionsEnded: optional(
    count('Connections that the source still knew of in the end, and forgot. Absent where it could not be asked.'),
  ),
  leftBehind: Type.Array(Type.String(), {
    description:
      'What of the VM the host has still that it has left, or that it has come back from: none but where something went wrong. Where the latter can not be asked, `problem` says so.',
  }),
  policy: choice(['identical', 'different', 'unknown'], 'The policy at the destination beside that at the source.'),
  problem: optional(text('What went wrong.')),
})

const time = (description: string) => Type.String({ title: DURATION_EXPECTED, pattern: DURATION_PATTERN, description })

const Order = closed({
  vm: text('VM to move.'),
  to: text('Host to move it to.'),
  pause: optional(time('How long the guest stands still.')),
  hold: optional(
    closed(
      {
        bytes: optional(count('Bytes of frames, of each port. Default: that of its host, or 67108864.')),
        time: optional(time('How long a frame is kept. Default: that of its host, or 60s.')),
      },
      { description: 'What is kept for the guest meanwhile, at most. What is more is dropped as hold_overflow.' },
    ),
  ),
  drain: optional(time('How long frames may be on their way between hosts. Default: that of the controller.')),
  redirect: optional(
    time('How long frames are brought after the guest whose senders can not be told of the move. Default: 5s.'),
  ),
  deadline: optional(
    time(
      'How long it may take, from its turn on, until its guest is to go on at the destination: the move goes back then. Default: any time.',
    ),
  ),
  activation: optional(
    Type.Array(choice([...ACTIVATION_STRATEGIES], 'What may show it.'), {
      minItems: 1,
      description:
        'The guest is let in at the destination only once one of these has shown that it goes on there: a RARP request of its own, a gratuitous ARP packet, an unsolicited neighbour advertisement, POST /migrations/ID/activate, or time. Default: once it has been told to.',
    }),
  ),
  activationTimeout: optional(time('After how long timeout does. Default: 10s.')),
  replace: optional(
    Type.Boolean({
      description:
        'A VM that moves already: undo that move first, if it still can be, and those that wait. Default: wait for their end.',
    }),
  ),
})

/** @throws InvalidField */
const requestOf = ({
  vm,
  to,
  pause,
  hold,
  drain,
  redirect,
  deadline,
  replace,
  ...guest
}: Type.Static<typeof Order>): MoveRequest => ({
  vm,
  to,
  ...(pause !== undefined && { pause: parseDuration(pause, 'pause') }),
  ...(hold && { hold: completeHold(hold) }),
  ...(drain !== undefined && { drain: parseDuration(drain, 'drain') }),
  ...(redirect !== undefined && { redirect: parseDuration(redirect, 'redirect') }),
  ...(deadline !== undefined && { deadline: parseDuration(deadline, 'deadline') }),
  ...(guest.activation && {
    activation: ACTIVATION_STRATEGIES.filter((one) => guest.activation!.includes(one)),
  }),
  ...(guest.activationTimeout !== undefined && {
    activationTimeout: parseDuration(guest.activationTimeout, 'activationTimeout'),
  }),
  ...(replace === true && { replace }),
})

const MOST = 1000

const Page = closed({
  before: optional(
    Type.String({
      pattern: '^m[1-9][0-9]{0,14}$',
      title: 'the id of a migration, as m12',
      description: 'Only those that were asked for before this one.',
    }),
  ),
  limit: optional(
    whole(1, MOST, 'At most so many: the newest. Where there are more, the Link header says where (rel="next").'),
  ),
})

const Waiting = closed({ wait: optional(Type.Boolean({ description: 'Answer only when the migration has ended.' })) })

export function migrationRoutes(api: Api, controller: Controller): void {
  api.get(
    '/migrations',
    {
      schema: {
        tags: ['migrations'],
        summary: 'All migrations, ended ones too, in the order in which they were asked for; or some of them',
        querystring: Page,
        response: { 200: Type.Array(Migration) },
      },
    },
    async ({ query: { before, limit } }, reply) => {
      const all = controller.migrations().sort((a, b) => serial(a) - serial(b))
      const asked = before === undefined ? all : all.filter((one) => serial(one) < serial({ id: before }))
      const page = limit === undefined ? asked : asked.slice(-limit)
      if (page.length < asked.length)
        void reply.header('link', `</migrations?before=${page[0]!.id}&limit=${limit}>; rel="next"`)
      return page.map(migrationJson)
    },
  )
  api.post(
    '/migrations',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['migrations'],
        summary: 'Start to move a VM, after moves of it that have not ended; 202 while it moves, 200 once it has ended',
        body: Order,
        querystring: Waiting,
        response: { 200: Migration, 202: Migration },
      },
    },
    async ({ body, query, actor }, reply) => {
      const started = controller.migrate(requestOf(body), actor)
      await controller.migrationStarted(started.id)
      void reply.header('location', `/migrations/${started.id}`)
      if (query.wait) return migrationJson(await controller.migrationDone(started.id))
      return reply.code(202).send(migrationJson(started))
    },
  )
  api.get(
    '/migrations/:id',
    {
      schema: {
        tags: ['migrations'],
        summary: 'One migration',
        params: IdParams,
        querystring: Waiting,
        response: { 200: Migration },
      },
    },
    async ({ params: { id }, query }) => {
      const status = migration(controller, id)
      return migrationJson(query.wait ? await controller.migrationDone(id) : status)
    },
  )
  abortRoute(api, controller)
  activateRoute(api, controller)
}

function activateRoute(api: Api, controller: Controller): void {
  api.post(
    '/migrations/:id/activate',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['migrations'],
        summary: 'The guest goes on at its destination: it is let in there; 409 where that is not awaited',
        params: IdParams,
        response: { 200: Migration },
      },
    },
    async ({ params, actor }) => {
      const { id } = migration(controller, params.id)
      await controller.activateMigration(id, actor)
      return migrationJson(migration(controller, id))
    },
  )
}

function abortRoute(api: Api, controller: Controller): void {
  api.post(
    '/migrations/:id/abort',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['migrations'],
        summary: 'Undo a migration that is under way; answers when it has ended',
        params: IdParams,
        response: { 200: Migration },
      },
    },
    async ({ params, actor }) => {
      const { id } = migration(controller, params.id)
      return migrationJson(await controller.abortMigration(id, actor))
    },
  )
}

/** They are numbered as they are asked for. */
const serial = ({ id }: Pick<MigrationStatus, 'id'>) => Number(id.slice(1))

const migration = (controller: Controller, id: string): MigrationStatus =>
  identified('migration', controller.migrations(), id)

export function migrationJson(status: MigrationStatus): Type.Static<typeof Migration> {
  const { pausedAt, resumedAt } = status
  if (pausedAt === undefined || resumedAt === undefined) return { ...status }
  return { ...status, blackout: formatDuration(resumedAt - pausedAt) }
}
