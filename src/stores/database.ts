/**
 * A database as sub-stores see it: what they read, and what they write in steps. The steps are written once and run on
 * both: SQLite runs them within one turn of the event loop, PostgreSQL with a round trip for each.
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

/** One statement of a write, and what its author wants to know of it. */
export interface Step {
  readonly query: CompiledQuery<unknown>;
  readonly wants: "rows" | "count";
}

/** The body of a write: yields statements, is given their answers, returns what came of it. */
export type Steps<T> = Generator<Step, T, unknown>;

/** @returns all rows that a statement gives; for use as `yield* all(…)` inside a write */
export function* all<Row>(query: CompiledQuery<Row>): Steps<readonly Row[]> {
  // Whoever runs the steps answers "rows" with rows, and the compiler of the statement knows their type.
  return (yield { query, wants: "rows" }) as readonly Row[];
}

/** @returns how many rows a statement changed; for use as `yield* run(…)` inside a write */
export function* run(query: CompiledQuery<unknown>): Steps<number> {
  return (yield { query, wants: "count" }) as number;
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
