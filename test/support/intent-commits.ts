/** A runtime whose SQLite tells when intents are about to be committed: the moment in which their guests run ahead. */
import { runtime } from "#runtime";
import type { Runtime, SqliteDatabase } from "../../src/ports/index.ts";

/** What happens to a commit that has intents in it. */
export type IntentCommit = (commit: () => void, count: number) => void;

/** @param onCommit given each such commit and how many there were before it; the database waits for it */
export function withIntentCommits(onCommit: IntentCommit): Runtime {
  return { ...runtime, openSqlite: (path) => tellCommits(runtime.openSqlite(path), onCommit) };
}

/** Stands still for a while, as a thread does that waits for its disk. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function tellCommits(database: SqliteDatabase, onCommit: IntentCommit): SqliteDatabase {
  let has = false;
  let count = 0;
  return {
    ...database,
    prepare(sql) {
      const statement = database.prepare(sql);
      if (!sql.startsWith('insert into "open_runs"')) return statement;
      return {
        ...statement,
        run(parameters) {
          has = true;
          return statement.run(parameters);
        },
      };
    },
    exec(sql) {
      const isTheirs = has && sql === "COMMIT";
      has = has && !isTheirs;
      if (isTheirs) onCommit(() => database.exec(sql), count++);
      else database.exec(sql);
    },
  };
}
