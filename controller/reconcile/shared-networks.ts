// What switches share of their networks. Those that stand to a network alike are a circle: what they have of it is made once after each
// change of the network, and compared once with what they had before, however many they are. It is no part of a switch's view.

import type { Many, ManyAt } from '../apps/app.ts'
import { standingOf, type Standing } from '../apps/standing.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { PersistentMap } from '../persistent-map.ts'
import { networkSlot, type Shared, type Shares, type Slot } from './switch-flows.ts'

type List = Slot['shared']

/** Switches that have a list of flows in common. */
export interface Circle {
  readonly network: string
  readonly slot: string
  readonly standing: Standing | undefined
  readonly members: Set<Member>
  list: List
  /** What is said where some of it is for each switch by itself; else nothing. */
  said: readonly (Many | ManyAt)[]
}

/** A switch in its circles. */
export interface Member {
  readonly at: SwitchView
  circles: readonly Circle[]
  /** What it has by them, in their order. */
  shares: Shares
}

/** What the apps say of a network, and what is made of one thing that they say. */
interface Maker {
  say: (standing: Standing, network: NetworkView) => readonly (Many | ManyAt)[]
  make: (network: string, many: Many) => Shared
}

export class SharedNetworks {
  readonly #maker: Maker
  /** That of all switches. */
  readonly #all: Circle
  /** By network. */
  readonly #circles = new Map<string, Circle[]>()
  #networks: View['networks'] = PersistentMap.empty()

  /** `common`: what all switches have in `slot`. */
  constructor(slot: string, common: List, maker: Maker) {
    this.#all = { network: '', slot, standing: undefined, members: new Set(), list: common, said: [] }
    this.#maker = maker
  }

  /** From now on the networks are these. Adds to `touched` who has other flows for that. @returns names of those that are gone */
  follow(networks: View['networks'], touched: Set<Member>): string[] {
    const changes = networks.changesSince(this.#networks)
    this.#networks = networks
    const gone: string[] = []
    for (const [name, , now] of changes)
      if (now === undefined) gone.push(name)
      else for (const circle of this.#circles.get(name) ?? []) this.#renew(circle, now, touched)
    return gone
  }

  /** The switch has another view than the one before: it goes where it belongs now. */
  place(member: Member, before: SwitchView | undefined): void {
    const { at } = member
    const networks =
      before === undefined || haveOtherKeys(before.networks, at.networks)
        ? [...at.networks.keys()]
        : member.circles.slice(1).map(({ network }) => network)
    const circles = [this.#all, ...networks.map((name) => this.#circle(name, standingOf(at, name)))]
    if (!sameMembers(circles, member.circles)) {
      for (const circle of member.circles) if (!circles.includes(circle)) this.#leave(circle, member)
      for (const circle of circles) circle.members.add(member)
      const { names, lists } = member.shares
      const slots = circles.map(({ slot }) => slot)
      member.shares = {
        names: sameMembers(names, slots) ? names : slots,
        lists: circles.map((circle) => lists[member.circles.indexOf(circle)] ?? circle.list),
      }
      member.circles = circles
    }
    for (const circle of circles) if (circle.said.length > 0) this.#setApart(circle, member)
  }

  /** The switch is no more. */
  forget(member: Member): void {
    for (const circle of member.circles) this.#leave(circle, member)
  }

  #circle(network: string, standing: Standing): Circle {
    const circles = this.#circles.get(network) ?? []
    const known = circles.find((one) => one.standing === standing)
    if (known !== undefined) return known
    const slot = networkSlot(network)
    const made: Circle = { network, slot, standing, members: new Set(), list: [], said: [] }
    this.#circles.set(network, [...circles, made])
    this.#renew(made, this.#networks.get(network)!, new Set())
    return made
  }

  #leave(circle: Circle, member: Member): void {
    circle.members.delete(member)
    if (circle === this.#all || circle.members.size > 0) return
    // What nobody has is not kept up.
    const others = this.#circles.get(circle.network)!.filter((one) => one !== circle)
    if (others.length > 0) this.#circles.set(circle.network, others)
    else this.#circles.delete(circle.network)
  }

  #renew(circle: Circle, now: NetworkView, touched: Set<Member>): void {
    const said = this.#maker.say(circle.standing!, now)
    const list = said.map((one) => ('at' in one ? NO_FLOWS : this.#maker.make(circle.network, one)))
    const same = sameMembers(list, circle.list)
    if (!same) circle.list = list
    const [wasApart, isApart] = [circle.said.length > 0, said.some((one) => 'at' in one)]
    circle.said = isApart ? said : []
    if (same && !wasApart && !isApart) return
    for (const member of circle.members)
      if (isApart ? this.#setApart(circle, member) : setList(member, circle, circle.list)) touched.add(member)
  }

  /** @returns whether that is another list */
  #setApart(circle: Circle, member: Member): boolean {
    const { network, list, said } = circle
    const before = member.shares.lists[member.circles.indexOf(circle)]!
    const now = said.map((one, index) => ('at' in one ? this.#maker.make(network, one.at(member.at)) : list[index]!))
    return !sameMembers(before, now) && setList(member, circle, now)
  }
}

const NO_FLOWS: Shared = PersistentMap.empty()

/** @returns whether that is another list than the switch had by this circle */
function setList(member: Member, circle: Circle, list: List): boolean {
  const { names, lists } = member.shares
  const place = member.circles.indexOf(circle)
  if (lists[place] === list) return false
  member.shares = { names, lists: lists.with(place, list) }
  return true
}

const sameMembers = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a.length === b.length && a.every((one, index) => one === b[index])

const haveOtherKeys = (before: SwitchView['networks'], after: SwitchView['networks']): boolean =>
  before !== after && after.changesSince(before).some(([, was, is]) => was === undefined || is === undefined)
