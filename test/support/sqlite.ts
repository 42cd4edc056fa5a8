/** SQLite for tests: files that go away by themselves, and a database that fails when it is told to. */
import { runtime } from "#runtime";
import type { SqliteDatabase } from "../../src/ports/index.ts";
import { type Faults, failure, note } from "./faults.ts";

export { arm, type FaultMode, type Faults, noFaults } from "./faults.ts";
export { temporaryFolder } from "./folder.ts";

/** Opens a database whose writes fail as `faults` says. */
export function openFaultySqlite(path: string, faults: Faults): SqliteDatabase {
  const database = runtime.openSqlite(path);
  function attempt<T>(sql: string, action: () => T): T {
    const fails = note(faults, sql);
    if (fails && faults.mode === "not-stored") throw failure(sql, faults);
    const result = action();
    if (fails) throw failure(sql, faults);
    return result;
  }
  return {
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        reader: statement.reader,
        all: (parameters) => attempt(sql, () => statement.all(parameters)),
        run: (parameters) => attempt(sql, () => statement.run(parameters)),
        iterate: (parameters) => statement.iterate(parameters),
      };
    },
    exec: (sql) => attempt(sql, () => database.exec(sql)),
    close: () => database.close(),
    reopen: () => database.reopen?.(),
  };
}
