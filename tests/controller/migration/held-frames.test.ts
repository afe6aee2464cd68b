import { describe, expect, test } from 'vitest'
import { HeldFrames } from '../../../controller/migration/held-frames.ts'
import type { RemoteSwitch } from '../../../controller/southbound/remote-switch.ts'
import type { HeldFrame } from '../../../protocols/control/messages.ts'
import { mldFrame, neighbourAdvertisement, rarpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Nic, Vm } from '../../../topologies/topology.ts'

const OTHER = 0x020000000002n
const LINK = { ethSrc: OTHER, ethDst: 0x333300000001n, ipSrc: 0xfe80n << 112n, ipDst: (0xff02n << 112n) | 1n }

/** Of one port, by name of its switch: what it keeps of its own, and what it was handed, in order. */
class Place {
  readonly name: string
  readonly kept: HeldFrame[] = []
  readonly handed: HeldFrame[] = []
  constructor(name: string) {
    this.name = name
  }

  /** A number is one frame, whichever places keep it. */
  keep(...ids: number[]): void {
    for (const id of ids)
      this.kept.push({ id: BigInt(id), bytes: new Uint8Array(60), origin: this.name, sequence: this.kept.length + 1 })
  }

  /** The same each time, without an identity. */
  keepAnnouncement(bytes: Uint8Array): void {
    this.kept.push({ id: 0n, bytes, origin: this.name, sequence: this.kept.length + 1 })
  }

  async heldFrames(_nic: string, after = 0): Promise<{ frames: HeldFrame[]; overflowed: number }> {
    return { frames: this.kept.filter(({ sequence }) => sequence > after), overflowed: 0 }
  }

  async deliverFrames(_nic: string, frames: HeldFrame[]): Promise<void> {
    this.handed.push(...frames)
  }

  get ids(): number[] {
    return this.handed.map(({ id }) => Number(id))
  }
}

function places(): { a: Place; b: Place; held: HeldFrames } {
  const [a, b] = [new Place('a'), new Place('b')]
  const nic = { id: 'web1:eth0', mac: '02:00:00:00:00:01', trunks: [] } as unknown as Nic
  const vm = { name: 'web1', host: 'a', nics: [nic] } as unknown as Vm
  const remoteAt = (host: string) => (host === 'a' ? a : b) as unknown as RemoteSwitch
  return { a, b, held: new HeldFrames({ vm, remoteAt, switchNameAt: (host) => host }) }
}

describe('frames kept at two places', () => {
  test('one that comes ahead of what was handed over already is handed over too', async () => {
    const { a, b, held } = places()
    a.keep(1)
    b.keep(10, 11)
    await held.takeFrom('a')
    await held.takeFrom('b')
    await held.deliverTo('b')
    a.keep(2, 10)
    await held.takeFrom('a')
    await held.deliverTo('b')
    expect(b.ids).toEqual([1, 10, 11, 2])
  })

  test('where floods crossed, what one place kept stays in its order', async () => {
    const { a, b, held } = places()
    a.keep(1, 2)
    b.keep(20, 2, 21, 1)
    await held.takeFrom('a')
    await held.takeFrom('b')
    await held.deliverTo('b')
    expect(b.ids).toEqual([1, 20, 2, 21])
  })

  test.each([
    ['RARP', rarpFrame({ ethSrc: OTHER })],
    ['RARP in a trunk', rarpFrame({ ethSrc: OTHER, vlan: [{ id: 10 }] })],
    ['an advertisement of a neighbour', neighbourAdvertisement({ ...LINK, target: LINK.ipSrc, solicited: false })],
    ['a report of a listener', mldFrame(LINK, { type: 'report', version: 1, group: LINK.ipDst })],
  ])('%s, said again, does not draw what came before it ahead of what was sent earlier', async (_what, said) => {
    const { a, b, held } = places()
    a.keep(1)
    a.keepAnnouncement(said)
    a.keep(2, 3)
    b.keep(4)
    b.keepAnnouncement(said)
    b.keep(5)
    await held.takeFrom('a')
    await held.takeFrom('b')
    await held.deliverTo('b')
    expect(b.ids).toEqual([1, 0, 2, 3, 4, 5])
  })

  test.each([1, 2, 3, 4, 5])('each is there once, and none overtakes another of its place (seed %i)', async (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 200; round++) {
      const { a, b, held } = places()
      const all = Array.from({ length: 1 + random.below(10) }, (_, index) => index)
      const coming = new Map([a, b].map((place) => [place, all.filter(() => random.below(4) > 0)]))
      const sent = new Set([...coming.values()].flat())
      for (let step = 0; step < 8 || [...coming.values()].some((left) => left.length > 0); step++) {
        const place = random.below(2) === 0 ? a : b
        const left = coming.get(place)!
        for (let count = random.below(4); count > 0 && left.length > 0; count--)
          place.keep(...left.splice(random.below(left.length), 1))
        if (random.below(2) === 0) await held.takeFrom(place.name)
        if (random.below(4) === 0) await held.deliverTo('b')
      }
      await held.takeFrom('a')
      await held.takeFrom('b')
      await held.deliverTo('b')
      expect(b.ids.toSorted((one, other) => one - other)).toEqual([...sent].toSorted((one, other) => one - other))
      for (const { name } of [a, b]) {
        const sequences = b.handed.filter(({ origin }) => origin === name).map(({ sequence }) => sequence)
        expect(sequences).toEqual(sequences.toSorted((one, other) => one - other))
      }
    }
  })
})
