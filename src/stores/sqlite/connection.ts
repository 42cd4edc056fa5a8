/** Runs what `queries.ts` compiled on one database, preparing each statement once. */
import type { CompiledQuery } from "kysely";
import { GatewayError } from "../../core/errors.ts";
import type { SqliteDatabase, SqliteStatement } from "../../ports/index.ts";

/** SQLite's primary result codes of a file that can not be read; the low byte of the extended ones. */
const DISK_CODES: ReadonlySet<number> = new Set([
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  14, // SQLITE_CANTOPEN
  26, // SQLITE_NOTADB
]);

/** One database and its prepared statements. */
export class Connection {
  readonly #database: SqliteDatabase;
  /** By their SQL: a small, fixed set, because values are parameters. */
  readonly #statements = new Map<string, SqliteStatement>();

  /** @param database closed by whoever opened it */
  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  /** @returns how many rows were changed. */
  run(query: CompiledQuery): number {
    return Number(this.#prepare(query.sql).run(query.parameters).changes);
  }

  /** All rows that a query gives. */
  all<Row>(query: CompiledQuery<Row>): Row[] {
    // The compiler knows the row's type from the tables; SQLite's STRICT tables keep the values to it.
    return this.#prepare(query.sql).all(query.parameters) as Row[];
  }

  /**
   * All rows that a query gives, outside of any transaction.
   *
   * @throws {GatewayError} `evidence-unavailable` when the disk fails, or the file could not be opened again yet
   */
  read<Row>(query: CompiledQuery<Row>): Row[] {
    try {
      return this.all(query);
    } catch (cause) {
      if (!isDiskError(cause)) throw cause;
      const refusal = { code: "evidence-unavailable", retryAfterSeconds: 5 } as const;
      throw new GatewayError("Cannot read from store: the disk failed", refusal, { cause });
    }
  }

  /** Lets go of the prepared statements, so that the database can be closed. */
  forget(): void {
    this.#statements.clear();
  }

  #prepare(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function isDiskError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && typeof error.errcode === "number") return DISK_CODES.has(error.errcode & 0xff);
  // What the runtimes say of a database that is not open: it could not be opened anew after a failure.
  return "code" in error && error.code === "ERR_INVALID_STATE";
}
