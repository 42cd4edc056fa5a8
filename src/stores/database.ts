/**
 * A database as sub-stores see it: what they read, and what they write in steps. The steps are written once and run on
 * both: SQLite runs them within one turn of the event loop, PostgreSQL with a round trip for each that asks for an answer.
 *
 * To add a sub-store: its port in `ports/`; its tables as a migration in `migrations.ts`, in the words that both dialects
 * share; its statements in a file of queries; a `createX(database)` over this interface, which both `sqlite/store.ts`
 * and `postgres/store.ts` call; a suite in `test/contract/store`, run by both implementations' test files.
 *
 * INVARIANT: writes of many gateways meet in one PostgreSQL, each statement sees what was committed before it, and
 * nothing holds still between two statements. So either one statement decides and changes (`UPDATE … WHERE used + ? <=
 * most RETURNING`), or the write names the lock that everybody takes who changes what it reads.
 */
import type { CompiledQuery } from "kysely";

/** Statements of a write that need no answer of one another, and what their author wants to know of them. */
export interface Step {
  readonly queries: readonly CompiledQuery<unknown>[];
  /** Of `nothing` a failure is enough, and it may show as late as at the commit: such a step waits for no answer. */
  readonly wants: "rows" | "count" | "nothing";
  /** When each gives a row the write is over: then it may be committed in the same breath. */
  readonly last?: true;
}

/**
 * A statement that locks rows, new ones if need be, and reads them. Where writes come one after another nobody has to be
 * kept out, and `alone` reads the same: no row where there was none.
 */
export interface LockingQuery<Row> extends CompiledQuery<Row> {
  readonly alone: CompiledQuery<Row>;
}

/** The body of a write: yields statements, is given their answers, returns what came of it. */
export type Steps<T> = Generator<Step, T, unknown>;

/** @returns all rows that a statement gives; for use as `yield* all(…)` inside a write */
export function* all<Row>(query: CompiledQuery<Row>): Steps<readonly Row[]> {
  const [rows] = yield* allOf<[Row]>([query]);
  return rows;
}

/** @returns all rows of each of several statements, in order; none of one that is undefined, and is not run */
export function* allOf<Rows extends readonly unknown[]>(
  queries: {
    readonly [Index in keyof Rows]: CompiledQuery<Rows[Index]> | undefined;
  },
): Steps<{ readonly [Index in keyof Rows]: readonly Rows[Index][] }> {
  const asked = queries.filter((query) => query !== undefined);
  // Whoever runs the steps answers "rows" with rows of each, and the compiler of a statement knows their type.
  const answers = (asked.length === 0 ? [] : yield { queries: asked, wants: "rows" }) as readonly unknown[];
  let next = 0;
  return queries.map((query) => (query === undefined ? [] : answers[next++])) as {
    readonly [Index in keyof Rows]: readonly Rows[Index][];
  };
}

/**
 * The last statements of a write, each of which should give one row. Where one gives none the write goes on, to say why it
 * fails: it must throw then. On PostgreSQL what they lock is free again without another word from this gateway.
 *
 * @returns all rows of each, in order
 */
export function* finish<Row>(queries: readonly CompiledQuery<Row>[]): Steps<readonly (readonly Row[])[]> {
  if (queries.length === 0) return [];
  return (yield { queries, wants: "rows", last: true }) as readonly (readonly Row[])[];
}

/** @returns how many rows a statement changed; for use as `yield* run(…)` inside a write */
export function* run(query: CompiledQuery<unknown>): Steps<number> {
  const [count = 0] = (yield { queries: [query], wants: "count" }) as readonly number[];
  return count;
}

/** Runs statements of which only a failure matters; for use as `yield* send(…)` inside a write. */
export function* send(...queries: readonly CompiledQuery<unknown>[]): Steps<void> {
  if (queries.length > 0) yield { queries, wants: "nothing" };
}

/** What a write holds until it is committed, on however many gateways. */
export interface Lock {
  /** Of what is read and then written. */
  readonly name: string;
  /** Together with others who share it, and with nobody who does not. */
  readonly shared?: true;
}

/** What both databases do. */
export interface Database {
  /** Rows as they are committed now. */
  read<Row>(query: CompiledQuery<Row>): Promise<readonly Row[]>;
  /**
   * Runs the steps in one transaction.
   *
   * @param body makes the steps; may be called again from the beginning when the database asks for that, so it must
   *   change nothing but the database
   * @param locks taken before the first step; none: every statement stands by itself
   * @returns what the steps returned, once it is durable
   * @throws whatever a step throws: then nothing is stored. When the commit itself fails it may be stored all the same
   */
  write<T>(body: () => Steps<T>, locks?: readonly Lock[]): Promise<T>;
}
