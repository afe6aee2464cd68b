import { describe, expect, test } from 'vitest'
import { Qemu } from '../../../controller/hypervisor/qemu.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { formatEndpoint } from '../../../runtime/endpoint.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { FakeQemu } from '../../support/fake-qemu.ts'

const INCOMING = 'tcp:h2.example:4444'

/** A guest at h1, and a QEMU that waits for it at h2. */
function world() {
  const clock = new VirtualClock()
  const all: Record<string, FakeQemu> = {}
  const others = () => Object.values(all)
  const [source, destination] = [new FakeQemu(clock, others), new FakeQemu(clock, others, INCOMING)]
  Object.assign(all, { 'unix:/h1': source, 'unix:/h2': destination })
  /** Places at which whoever is there says nothing. */
  const deaf = new Set<string>()
  const qemu = new Qemu({
    clock,
    dial: async (endpoint) => {
      const name = formatEndpoint(endpoint)
      if (deaf.has(name)) return memoryChannelPair(clock, { latency: 0, names: ['a', 'b'] })[0]
      const found = all[name]
      if (found === undefined) throw new Error('connect ENOENT')
      return found.dial()
    },
    placeOf: (vm, host) =>
      vm === 'web' ? { vm, host, qmp: `unix:/${host}`, ...(host === 'h2' && { incoming: INCOMING }) } : undefined,
  })
  let abort = () => {}
  const aborted = new Promise<void>((resolve) => (abort = resolve))
  const move = { from: 'h1', to: 'h2', aborted }
  const run = <T>(work: Promise<T>) => clock.runUntil(work)
  const running = () => [source.status === 'running', destination.status === 'running']
  return { clock, source, destination, deaf, qemu, move, run, running, abort: () => abort() }
}

describe('QEMU as the hypervisor of a move', () => {
  test('stops the guest when most of it is over there, and lets it go on there', async () => {
    const { clock, source, qemu, move, run, running } = world()
    await run(qemu.pause('web', move))
    expect(clock.now()).toBeGreaterThanOrEqual(100 * MILLISECOND)
    expect([source.migration, ...running()]).toEqual(['pre-switchover', false, false])
    await run(qemu.resume('web', 'h2', move))
    expect(running()).toEqual([false, true])
    expect(source.commands).toEqual(['migrate-set-capabilities', 'migrate', 'migrate-continue'])
  })

  test('a guest that stands still goes on where it was, if the move is taken back', async () => {
    const { source, qemu, move, run, running } = world()
    await run(qemu.pause('web', move))
    await run(qemu.resume('web', 'h1', move))
    expect([source.migration, ...running()]).toEqual(['cancelled', true, false])
  })

  test('a move that is not wanted any more ends in the middle of the copying', async () => {
    const { clock, source, qemu, move, run, running, abort } = world()
    source.copying = 60_000
    const paused = qemu.pause('web', move)
    clock.scheduleAsync(1000 * MILLISECOND, abort)
    await expect(run(paused)).rejects.toThrow('given up on request')
    await run(qemu.resume('web', 'h1', move))
    expect(clock.now()).toBeLessThan(2000 * MILLISECOND)
    expect([source.migration, ...running()]).toEqual(['cancelled', true, false])
  })

  test('a guest that begins anew is let run where it was started, and is not woken twice', async () => {
    const { source, qemu, run, running } = world()
    source.status = 'prelaunch'
    await run(qemu.restart('web', 'h1'))
    await run(qemu.restart('web', 'h1'))
    expect([source.commands, running()]).toEqual([['cont'], [true, false]])
    // Somebody else sees to those of which no QEMU is known.
    await run(qemu.restart('db', 'h1'))
  })

  test.each([
    [
      'waits for a guest to move in',
      (one: FakeQemu) => (one.status = 'inmigrate'),
      /unix:\/h1 waits for a guest to move in/,
    ],
    ['has moved it', (one: FakeQemu) => (one.status = 'postmigrate'), /has moved the guest already/],
    [
      'refuses',
      (one: FakeQemu) => one.instead.set('cont', '{"error":{"class":"GenericError","desc":"no"},"id":3}'),
      /no/,
    ],
  ])('a guest does not begin anew in a QEMU that %s', async (_, become, problem) => {
    const { source, qemu, run, running } = world()
    source.status = 'prelaunch'
    become(source)
    await expect(run(qemu.restart('web', 'h1'))).rejects.toThrow(problem)
    expect(running()).toEqual([false, false])
  })

  test.each(['h1', 'h2'])('what one controller began, another brings to its end at %s, once', async (host) => {
    const { source, qemu, move, run, running } = world()
    await run(qemu.pause('web', move))
    await run(qemu.resume('web', host, move))
    await run(qemu.resume('web', host, move))
    expect(source.commands.filter((one) => one === 'migrate')).toEqual(['migrate'])
    expect(running()).toEqual([host === 'h1', host === 'h2'])
  })

  test('a guest that has gone is not woken where it was', async () => {
    const { qemu, move, run, running } = world()
    await run(qemu.pause('web', move))
    await run(qemu.resume('web', 'h2', move))
    await expect(run(qemu.resume('web', 'h1', move))).rejects.toThrow('has moved the guest already')
    expect(running()).toEqual([false, true])
  })

  test('a last part that fails leaves the guest where it was, and is told', async () => {
    const { source, qemu, move, run, running } = world()
    source.ending = 'failed'
    await run(qemu.pause('web', move))
    await expect(run(qemu.resume('web', 'h2', move))).rejects.toThrow("ended as 'failed'")
    await run(qemu.resume('web', 'h1', move))
    expect(running()).toEqual([true, false])
  })

  test('a QEMU that is not there, says nothing, or waits for nobody, is named, and the guest is not touched', async () => {
    const gone = world()
    gone.deaf.add('unix:/h2')
    await expect(gone.run(gone.qemu.pause('web', gone.move))).rejects.toThrow(
      /no QEMU answers at unix:\/h2: .*does somebody else speak with it/,
    )
    const busy = world()
    busy.destination.status = 'running'
    await expect(busy.run(busy.qemu.pause('web', busy.move))).rejects.toThrow(
      `QEMU at unix:/h2 waits for no guest, it is 'running'; start it with -incoming ${INCOMING}`,
    )
    expect([...gone.source.commands, ...busy.source.commands]).toEqual([])
  })

  test('a QEMU that stops answering ends the step, and another may follow', async () => {
    const { clock, source, qemu, move, run, running } = world()
    source.instead.set('query-migrate', '')
    await expect(run(qemu.pause('web', move))).rejects.toThrow('has not answered query-migrate within 30 s')
    expect(clock.now()).toBeLessThan(31_000 * MILLISECOND)
    source.instead.clear()
    await run(qemu.resume('web', 'h1', move))
    expect(running()).toEqual([true, false])
  })

  test.each(['1', 'null', '[]', '"QMP"', '{"error"'])('whoever says %s is hung up on', async (line) => {
    const { source, qemu, move, run } = world()
    source.instead.set('migrate', line)
    await expect(run(qemu.pause('web', move))).rejects.toThrow(`has said what is no object of QMP: ${line}`)
  })

  test.each(['null', '{}', '1'])('an error of %s is a refusal', async (error) => {
    const { source, qemu, move, run } = world()
    source.instead.set('qmp_capabilities', `{"error":${error},"id":1}`)
    await expect(run(qemu.resume('web', 'h1', move))).rejects.toThrow('it refuses, and does not say why')
  })

  test('leaves alone who is not known', async () => {
    const { source, qemu, move, run } = world()
    await run(qemu.pause('other', move))
    await run(qemu.resume('other', 'h2', move))
    expect(source.commands).toEqual([])
  })
})
