/** Statements as PostgreSQL takes them: the shared ones translated, locks, and failures that say what became of them. */
import type { CompiledQuery } from "kysely";
import type { PostgresFailure, PostgresQuery, PostgresResult } from "../../ports/index.ts";
import type { Lock } from "../database.ts";

/** Statements beyond these are not prepared: a server keeps them for every connection. */
const MAX_PREPARED = 500;

/** By the SQL that the shared compiler wrote: a small, fixed set, because values are parameters. */
export class Statements {
  readonly #known = new Map<string, { readonly text: string; readonly name: string }>();

  /** @returns the statement with `$1`, `$2` … for each `?`, which stands nowhere else: values and names are never in it */
  of({ sql, parameters }: CompiledQuery<unknown>): PostgresQuery {
    const known = this.#known.get(sql);
    if (known !== undefined) return { ...known, values: parameters };
    let count = 0;
    const text = sql.replace(/\?/g, () => `$${++count}`);
    if (this.#known.size >= MAX_PREPARED) return { text, values: parameters };
    const made = { text, name: `writ_${this.#known.size}` };
    this.#known.set(sql, made);
    return { ...made, values: parameters };
  }
}

/** Begins a transaction in which each statement sees what was committed before it, whatever the server's default is. */
export const BEGIN: PostgresQuery = { text: "BEGIN ISOLATION LEVEL READ COMMITTED" };
/**
 * The same, of a transaction whose commit waits for no disk, here or on a standby. It is there for everybody all the same,
 * and durable with whatever is synced after it.
 */
export const BEGIN_UNSYNCED: readonly PostgresQuery[] = [
  BEGIN,
  { text: "SET LOCAL synchronous_commit = off" },
];
/** Makes it durable. */
export const COMMIT: PostgresQuery = { text: "COMMIT" };
/** Undoes it. */
export const ROLLBACK: PostgresQuery = { text: "ROLLBACK" };

/**
 * Takes locks until the transaction ends, in an order that everybody keeps to.
 *
 * They are the database's, so they hold on every gateway; the schema's name is in them, because one database may keep
 * the tables of several. Two names that hash alike wait for each other for nothing, and that is all.
 */
export function takeLocks(locks: readonly Lock[]): readonly PostgresQuery[] {
  return [...locks]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, shared }) => ({
      text: `SELECT pg_advisory_xact_lock${shared ? "_shared" : ""}(hashtextextended(current_schema() || ':' || $1, 0))`,
      name: `writ_lock${shared ? "_shared" : ""}`,
      values: [name],
    }));
}

/** Rows of an answer. Their type is their statement's word; the columns' types and constraints keep the values to it. */
export function rowsOf<Row>(result: PostgresResult | undefined): readonly Row[] {
  return (result?.rows ?? []) as readonly Row[];
}

/** Whether the server itself refused a statement, on a connection that lives: then nothing of its transaction is stored. */
export function isRefusal(error: unknown): error is PostgresFailure {
  return error instanceof Error && "isAlive" in error && error.isAlive === true;
}

const DIVISION_BY_ZERO = "22012";

/** The same statement, which fails when it gives no row: what was sent behind it, a COMMIT too, has no effect then. */
export function orFail({ text, values, name }: PostgresQuery): PostgresQuery {
  return {
    // Nothing else here divides.
    text: `WITH given AS (${text}) SELECT given.* FROM given WHERE 1 / (SELECT count(*) FROM given) = 1`,
    ...(values && { values }),
    ...(name && { name: `${name}_or_fail` }),
  };
}

/** Whether a statement of {@link orFail} gave none. */
export function gaveNoRow(error: unknown): boolean {
  return isRefusal(error) && error.sqlState === DIVISION_BY_ZERO;
}

const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";

const LOCK_NOT_AVAILABLE = "55P03";

/** Whether somebody held what was wanted, for longer than it was waited for. */
export function isInTheWay(error: unknown): boolean {
  return isRefusal(error) && error.sqlState === LOCK_NOT_AVAILABLE;
}

/** Whether the same transaction may well succeed when it is tried again. */
export function isWorthRepeating(error: unknown): boolean {
  return isRefusal(error) && [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].includes(error.sqlState);
}
