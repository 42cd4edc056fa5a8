/** A runtime whose SQLite tells of commits, and keeps what a disk has of a database whose machine loses its power. */
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { runtime } from "#runtime";
import type { Runtime, SqliteDatabase } from "../../src/ports/index.ts";

/** One transaction that is about to be committed. */
export interface Commit {
  /** Whether its COMMIT syncs the log of writes. */
  readonly synced: boolean;
  /** SQL of the statements in it. */
  readonly writes: readonly string[];
}

/** What happens to a commit: it makes it, or does not. The database waits for it. */
export type OnCommit = (make: () => void, commit: Commit) => void;

/** Whether a commit has intents in it. */
export const hasIntents = ({ writes }: Commit) =>
  writes.some((sql) => sql.startsWith('insert into "open_runs"'));
/** Whether a commit is there to sync intents, and for nothing else. */
export const syncsIntents = ({ writes }: Commit) => writes.some((sql) => sql.startsWith('update "probe"'));

/** @param onCommit given each commit of every database that is opened */
export function withCommits(onCommit: OnCommit): Runtime {
  return { ...runtime, openSqlite: (path) => tellCommits(runtime.openSqlite(path), onCommit) };
}

/** @returns the database, which tells of each of its commits */
export function tellCommits(database: SqliteDatabase, onCommit: OnCommit): SqliteDatabase {
  let synced = true;
  let writes: string[] = [];
  let saved = 0;
  return {
    ...database,
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        reader: statement.reader,
        iterate: (parameters) => statement.iterate(parameters),
        all(parameters) {
          writes.push(sql);
          return statement.all(parameters);
        },
        run(parameters) {
          writes.push(sql);
          return statement.run(parameters);
        },
      };
    },
    exec(sql) {
      synced = /synchronous = (\w+)/.exec(sql)?.[1] === undefined ? synced : sql.includes("= FULL");
      if (sql.startsWith("BEGIN")) writes = [];
      if (sql.startsWith("SAVEPOINT")) saved = writes.length;
      // A write that failed among others is not in their commit.
      if (sql.startsWith("ROLLBACK TO")) writes.length = saved;
      if (sql === "COMMIT") onCommit(() => database.exec(sql), { synced, writes });
      else database.exec(sql);
    },
  };
}

/**
 * A database's disk: what a loss of power would leave when nothing but what was synced is there, the worst that may be.
 *
 * @param path of the database
 */
export function diskOf(path: string): { readonly onCommit: OnCommit; losePower(to: string): void } {
  const copy = (from: string, to: string) => {
    for (const end of ["", "-wal"]) if (existsSync(from + end)) copyFileSync(from + end, to + end);
  };
  return {
    onCommit(make, { synced }) {
      const before = readFileSync(`${path}-wal`);
      make();
      // Where nothing was written nothing is synced.
      if (synced && !readFileSync(`${path}-wal`).equals(before)) copy(path, `${path}.disk`);
    },
    /** @param to path of the database that is found afterwards */
    losePower: (to) => copy(`${path}.disk`, to),
  };
}
