// The same SCTP packets through the connection tracker of the Linux kernel, which follows associations, and through ours, which sees
// packets between two addresses, as Open vSwitch's userspace datapath does. Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/linux-sctp.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs what linux-conntrack.test.ts needs.

import { expect, test } from 'vitest'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'
import { besideLinux } from './support/beside-linux.ts'
import { OwnTracker } from './support/own-tracker.ts'
import { Chunk, type SaidChunk, sctpChunkFrame, sctpWalk } from './support/sctp-walks.ts'

const COUNT = 60

besideLinux('SCTP', (rig) => {
  async function bothMakeOf(frames: readonly Uint8Array[]) {
    await rig.linux.forget()
    return { here: new OwnTracker().track(frames), there: await rig.linux.track(frames) }
  }

  test.each(seeds(COUNT))('one association, some of it said twice (seed %i)', async (seed) => {
    const walk = sctpWalk(seeded(seed), 40)
    const { here, there } = await bothMakeOf(walk.map((said) => sctpChunkFrame(said)))
    const story = walk
      .map((said, index) => JSON.stringify({ ...said, here: here[index], there: there[index] }))
      .join('\n')
    expect(here, story).toEqual(there)
  })

  const established = sctpWalk(seeded(1), 4)
  const data = (from: 0 | 1, tag: number): SaidChunk => ({ from, chunk: Chunk.Data, tag, chosen: 0 })
  const tagOf = (from: 0 | 1) => established.find((said) => said.from === from && said.tag !== 0)!.tag
  const frames = established.map((said) => sctpChunkFrame(said))

  test('here the second association between two addresses is the first', async () => {
    const { here, there } = await bothMakeOf([...frames, sctpChunkFrame(established[0]!, 40_001)])
    expect([here.at(-1), there.at(-1)]).toEqual(['established', 'new'])
  })

  test('here an association may begin with anything', async () => {
    const { here, there } = await bothMakeOf([sctpChunkFrame(data(0, 7))])
    expect([here, there]).toEqual([['new'], ['invalid']])
  })

  test('here nobody looks at tags', async () => {
    const { here, there } = await bothMakeOf([...frames, sctpChunkFrame(data(0, tagOf(0) ^ 1))])
    expect([here.at(-1), there.at(-1)]).toEqual(['established', 'invalid'])
  })

  test('here nobody looks at the checksum', async () => {
    const damaged = frames[0]!.slice()
    damaged[42]! ^= 1
    const { here, there } = await bothMakeOf([damaged])
    expect([here, there]).toEqual([['new'], ['invalid']])
  })
})
