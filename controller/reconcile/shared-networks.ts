// What switches share of their networks. Those that stand to a network alike are a circle: what they have of it is made once after each
// change of the network, and compared once with what they had before, however many they are. It is no part of a switch's view.

import type { Many, ManyAt } from '../apps/app.ts'
import { standingOf, type Standing } from '../apps/standing.ts'
import { sameMembers } from '../network/sharing.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { PersistentMap } from '../persistent-map.ts'
import { type FlowList, type FlowLists, NO_LIST } from './flow-lists.ts'
import { networkSlot, type Shares, type Slot } from './switch-flows.ts'

type List = Slot['shared']

/** Switches that have a list of flows in common. */
export interface Circle {
  readonly network: string
  readonly slot: string
  readonly standing: Standing | undefined
  readonly members: Set<Member>
  made: readonly FlowList[]
  list: List
  /** What is said where some of it is for each switch by itself; else nothing. */
  said: readonly (Many | ManyAt)[]
  /** What was made of that for each. */
  readonly apart: Map<Member, readonly FlowList[]>
}

/** A switch in its circles. */
export interface Member {
  readonly at: SwitchView
  circles: readonly Circle[]
  /** What it has by them, in their order. */
  shares: Shares
}

/** What the apps say of a network. */
type Say = (standing: Standing, network: NetworkView) => readonly (Many | ManyAt)[]

export class SharedNetworks {
  readonly #say: Say
  readonly #lists: FlowLists
  /** That of all switches. */
  readonly #all: Circle
  /** By network. */
  readonly #circles = new Map<string, Circle[]>()
  #networks: View['networks'] = PersistentMap.empty()

  /** `common`: what all switches have in `slot`. */
  constructor(slot: string, common: List, say: Say, lists: FlowLists) {
    this.#all = { ...emptyCircle('', slot, undefined), list: common }
    this.#say = say
    this.#lists = lists
  }

  /**
   * From now on the networks are these. Adds to `touched` who has other flows for that; those in `moving` are placed after this, and only
   * then asked about with the view that they have by now.
   */
  follow(networks: View['networks'], moving: ReadonlySet<Member>, touched: Set<Member>): void {
    const changes = networks.changesSince(this.#networks)
    this.#networks = networks
    for (const [name, , now] of changes)
      if (now !== undefined)
        for (const circle of this.#circles.get(name) ?? []) this.#renew(circle, now, moving, touched)
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
    const circle = emptyCircle(network, networkSlot(network), standing)
    this.#circles.set(network, [...circles, circle])
    this.#renew(circle, this.#networks.get(network)!, new Set(), new Set())
    return circle
  }

  #leave(circle: Circle, member: Member): void {
    circle.members.delete(member)
    const own = circle.apart.get(member)?.filter((list) => !circle.made.includes(list)) ?? []
    for (const list of own) this.#lists.forget(list)
    circle.apart.delete(member)
    if (circle === this.#all || circle.members.size > 0) return
    // What nobody has is not kept up.
    const others = this.#circles.get(circle.network)!.filter((one) => one !== circle)
    if (others.length > 0) this.#circles.set(circle.network, others)
    else this.#circles.delete(circle.network)
  }

  #renew(circle: Circle, now: NetworkView, moving: ReadonlySet<Member>, touched: Set<Member>): void {
    const said = this.#say(circle.standing!, now)
    circle.made = said.map((one, index) => ('at' in one ? NO_LIST : this.#lists.listOf(one, circle.made[index])))
    const list = circle.made.map(({ flows }) => flows)
    const same = sameMembers(list, circle.list)
    if (!same) circle.list = list
    const [wasApart, isApart] = [circle.said.length > 0, said.some((one) => 'at' in one)]
    circle.said = isApart ? said : []
    if (!isApart) circle.apart.clear()
    if (same && !wasApart && !isApart) return
    for (const member of circle.members)
      if (isApart ? !moving.has(member) && this.#setApart(circle, member) : setList(member, circle, circle.list))
        touched.add(member)
  }

  /** @returns whether that is another list */
  #setApart(circle: Circle, member: Member): boolean {
    const { made, said, apart } = circle
    const before = apart.get(member) ?? []
    const now = said.map((one, index) =>
      'at' in one ? this.#lists.listOf(one.at(member.at), before[index]) : made[index]!,
    )
    apart.set(member, now)
    const list = now.map(({ flows }) => flows)
    const known = member.shares.lists[member.circles.indexOf(circle)]!
    return !sameMembers(known, list) && setList(member, circle, list)
  }
}

const emptyCircle = (network: string, slot: string, standing: Standing | undefined): Circle => ({
  network,
  slot,
  standing,
  members: new Set(),
  made: [],
  list: [],
  said: [],
  apart: new Map(),
})

/** @returns whether that is another list than the switch had by this circle */
function setList(member: Member, circle: Circle, list: List): boolean {
  const { names, lists } = member.shares
  const place = member.circles.indexOf(circle)
  if (lists[place] === list) return false
  member.shares = { names, lists: lists.with(place, list) }
  return true
}

const haveOtherKeys = (before: SwitchView['networks'], after: SwitchView['networks']): boolean =>
  before !== after && after.changesSince(before).some(([, was, is]) => was === undefined || is === undefined)
