/** Runs the steps of sub-stores on SQLite: all of a write within one turn, so that no other write comes between. */
import type { CompiledQuery } from "kysely";
import type { Database, LockingQuery, Steps } from "../database.ts";
import type { Connection } from "./connection.ts";
import type { WriteQueue } from "./write-queue.ts";

/**
 * @param connection to read from, and to write to inside of `queue`
 * @param queue the database's only door for writes: it serves one at a time, so locks say nothing new
 */
export function sqliteSteps(connection: Connection, queue: WriteQueue): Database {
  return {
    read: async (query) => connection.read(query),
    write: (body) => queue.write(() => drive(connection, body())),
  };
}

/** Nobody else writes in the meantime: what locks and reads needs no lock. */
function aloneOf(query: CompiledQuery<unknown> | LockingQuery<unknown>): CompiledQuery<unknown> {
  return "alone" in query ? query.alone : query;
}

/** Runs steps inside of a transaction that its caller holds. */
export function drive<T>(connection: Connection, steps: Steps<T>): T {
  let next = steps.next();
  while (!next.done) {
    const { queries, wants } = next.value;
    next = steps.next(
      queries.map((query) => (wants === "rows" ? connection.all(aloneOf(query)) : connection.run(query))),
    );
  }
  return next.value;
}
