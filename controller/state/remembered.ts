// What has been begun is remembered while it runs, and for a while after.

interface Begun {
  readonly status: { readonly id: string; readonly endedAt?: number }
}

/** The records by id with this one as it is now, and of the ended ones only the last `remembered`. */
export function withRecord<T extends Begun>(
  records: ReadonlyMap<string, T>,
  record: T,
  remembered: number,
): Map<string, T> {
  const all = new Map(records).set(record.status.id, record)
  if (record.status.endedAt === undefined) return all
  const ended = [...all.values()].filter(({ status }) => status.endedAt !== undefined)
  for (const { status } of ended.slice(0, -remembered)) all.delete(status.id)
  return all
}
