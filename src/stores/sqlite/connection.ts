/** Runs what `queries.ts` compiled on one database, preparing each statement once. */
import type { CompiledQuery } from "kysely";
import type { SqliteDatabase, SqliteStatement } from "../../ports/index.ts";

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
