// The state file's tables, and how files of earlier versions become files of this one.
//
// `entries` holds what is: `image.ts` says what each kind means. `journal` holds what happened. The version counts changes of
// the tables and of what the values mean alike; a step forward may rewrite either, and none is ever taken out of this list.

import type { Database } from 'better-sqlite3'
import { StateError } from '../../runtime/store.ts'

/** PRAGMA application_id, by which file(1) knows such a file: `Sbox`. */
const APPLICATION = 0x53626f78

/** `STEPS[n]` makes a file of version n one of version n + 1. */
const STEPS: readonly string[] = [
  `create table entries (kind text not null, key text not null, value not null, primary key (kind, key));
   create table journal (
     number integer primary key, at integer not null, by text not null,
     operation text not null, arguments text not null, result text);`,
  `create index journal_by_time on journal (at);
   create trigger journal_result_stays before update on journal
     when old.result is not null or new.number <> old.number or new.at <> old.at or new.by <> old.by
       or new.operation <> old.operation or new.arguments <> old.arguments
     begin select raise(abort, 'what is in the journal stays'); end;
   create trigger journal_entry_stays before delete on journal
     begin select raise(abort, 'what is in the journal stays'); end;`,
  // Topologies have security groups.
  `update entries set value = json_insert(value, '$.addressGroups', json('[]'), '$.securityGroups', json('[]'))
     where kind = 'topology';`,
  // Only what is told to be forgotten goes: first the mark moves, by which readers see it, and then what is behind it.
  `create index journal_under_way on journal (number) where result is null;
   drop trigger journal_entry_stays;
   create trigger journal_entry_stays before delete on journal
     when old.result is null or old.number >
       coalesce((select json_extract(value, '$.through') from entries where kind = 'journal' and key = 'forgotten'), 0)
     begin select raise(abort, 'what is in the journal stays'); end;`,
  // A topology is kept object by object.
  `create temp table part as
     select part.key as key, part.value as value, part.type as type from entries, json_each(entries.value) part
     where entries.kind = 'topology' and entries.key = 'asked';
   delete from entries where kind = 'topology' and key = 'asked';
   insert into entries select 'topology', key, case type when 'text' then json_quote(value) else value end
     from part where type <> 'array';
   insert into entries select 'order', part.key,
       (select json_group_array(json_extract(one.value, '$.name')) from json_each(part.value) one)
     from part where type = 'array';
   insert into entries select 'asked', part.key || char(9) || json_extract(one.value, '$.name'), one.value
     from part, json_each(part.value) one where part.type = 'array';
   drop table part;`,
  // Who comes after whom is kept name by name.
  `create temp table list as select key as part, value from entries where kind = 'order';
   delete from entries where kind = 'order';
   insert into entries select 'order', part, json_quote(json_extract(value, '$[0]')) from list;
   insert into entries select 'order', part || char(9) || name.value,
       json_quote(lead(name.value) over (partition by part order by name.key))
     from list, json_each(list.value) name;
   drop table list;`,
]

/** The version that this program writes. */
export const SCHEMA_VERSION = STEPS.length

/**
 * Makes the tables of a new file, and brings one of an earlier version forward.
 * @throws StateError a file of a later version, or one that is not ours
 */
export function bringForward(db: Database, file: string): void {
  const version = db.pragma('user_version', { simple: true }) as number
  const application = db.pragma('application_id', { simple: true }) as number
  const isNew = version === 0 && application === 0 && isEmpty(db)
  if (application !== APPLICATION && !isNew)
    throw new StateError(`${file} is a database of another program, not the state of a controller`)
  if (version > SCHEMA_VERSION)
    throw new StateError(
      `${file} has version ${version}, and this program knows versions up to ${SCHEMA_VERSION}; it takes the newer program that wrote it`,
    )
  db.transaction(() => {
    for (const step of STEPS.slice(version)) db.exec(step)
    db.pragma(`application_id = ${APPLICATION}`)
    db.pragma(`user_version = ${SCHEMA_VERSION}`)
  })()
}

const isEmpty = (db: Database): boolean => db.prepare('select 1 from sqlite_schema').get() === undefined
