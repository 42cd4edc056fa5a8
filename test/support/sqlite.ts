/** SQLite for tests: files that go away by themselves, and a database that fails when it is told to. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import type { SqliteDatabase } from "../../src/ports/index.ts";

/** How a write fails: before it did anything, or after it did everything. */
export type FaultMode = "not-stored" | "stored";

/** When writes fail; change it while the database is open. */
export interface Faults {
  /** Writes since the last {@link arm}: every BEGIN, COMMIT, SAVEPOINT, INSERT, UPDATE, DELETE counts. */
  writes: number;
  /** Which write fails, from 1; undefined = none. */
  failAt: number | undefined;
  mode: FaultMode;
  /** SQLite's extended error code on the thrown error; undefined = a plain error. */
  errcode: number | undefined;
  /** The SQL of the writes since the last {@link arm}. */
  log: string[];
}

/** @returns faults that are not armed. */
export function noFaults(): Faults {
  return { writes: 0, failAt: undefined, mode: "not-stored", errcode: undefined, log: [] };
}

/** Counts from here, and lets the given write fail. */
export function arm(faults: Faults, failAt: number | undefined, mode: FaultMode = "not-stored"): void {
  Object.assign(faults, { writes: 0, failAt, mode, log: [] });
}

/** Opens a database whose writes fail as `faults` says. */
export function openFaultySqlite(path: string, faults: Faults): SqliteDatabase {
  const database = runtime.openSqlite(path);
  function attempt<T>(sql: string, action: () => T): T {
    if (/^\s*(?:select|pragma|rollback)/i.test(sql)) return action();
    faults.writes++;
    faults.log.push(sql);
    const fails = faults.writes === faults.failAt;
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
  };
}

/** @returns a fresh folder, and what removes it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "writ-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

function failure(sql: string, faults: Faults): Error {
  const error = new Error(`fault at write ${faults.writes} (${faults.mode}): ${sql}`);
  return faults.errcode === undefined ? error : Object.assign(error, { errcode: faults.errcode });
}
