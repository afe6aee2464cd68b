const EMPTY: readonly never[] = []

/** A list that grew has room for more: one that stays needs none. */
export const exactly = <Item>(list: readonly Item[]): readonly Item[] => (list.length === 0 ? EMPTY : list.slice())
