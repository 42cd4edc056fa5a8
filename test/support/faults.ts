/** Writes that fail when they are told to, whatever database they go to. */

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

/** Notes a statement. @returns whether it is the one that fails */
export function note(faults: Faults, sql: string): boolean {
  if (/^\s*(?:select|pragma|rollback|vacuum)/i.test(sql)) return false;
  faults.writes++;
  faults.log.push(sql);
  return faults.writes === faults.failAt;
}

/** The error of the write that was noted last. */
export function failure(sql: string, faults: Faults): Error {
  const error = new Error(`fault at write ${faults.writes} (${faults.mode}): ${sql}`);
  return faults.errcode === undefined ? error : Object.assign(error, { errcode: faults.errcode });
}
