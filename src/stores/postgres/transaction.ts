/** Borrows connections, and runs the steps of sub-stores on them. */
import type { PostgresConnection, PostgresQuery, PostgresServer } from "../../ports/index.ts";
import type { Database, Lock, Steps } from "../database.ts";
import {
  BEGIN,
  BEGIN_UNSYNCED,
  COMMIT,
  gaveNoRow,
  isRefusal,
  isWorthRepeating,
  orFail,
  ROLLBACK,
  rowsOf,
  type Statements,
  takeLocks,
} from "./statements.ts";

/** Attempts at one transaction before its callers are told. */
export const MOST_ATTEMPTS = 5;

/**
 * Lends a connection for one use, outside of a transaction or for a whole one.
 *
 * After a failure the transaction, if there was one, is undone: by a ROLLBACK where the server still answers, and what
 * failed was a statement or the caller; else by closing the connection.
 */
export async function withConnection<T>(
  server: PostgresServer,
  use: (connection: Pick<PostgresConnection, "send">) => Promise<T>,
): Promise<T> {
  const connection = await server.connect();
  let isKnown = true;
  const send: PostgresConnection["send"] = async (queries) => {
    try {
      return await connection.send(queries);
    } catch (error) {
      isKnown = isRefusal(error);
      throw error;
    }
  };
  try {
    const result = await use({ send });
    connection.release();
    return result;
  } catch (error) {
    if (isKnown) await send([ROLLBACK]).catch(() => undefined);
    connection.release(!isKnown);
    throw error;
  }
}

/** Runs what sub-stores read and write. */
export class PostgresDatabase implements Database {
  readonly #server: PostgresServer;
  readonly #statements: Statements;
  /** Writes under way, so that closing waits for them. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(server: PostgresServer, statements: Statements) {
    this.#server = server;
    this.#statements = statements;
  }

  read: Database["read"] = (query) =>
    withConnection(this.#server, async (connection) => {
      const [result] = await connection.send([this.#statements.of(query)]);
      return rowsOf(result);
    });

  /** @param sync `unsynced`: it need not be durable when it resolves */
  async write<T>(
    body: () => Steps<T>,
    locks: readonly Lock[] = [],
    sync: "synced" | "unsynced" = "synced",
  ): Promise<T> {
    if (this.#closed) throw new Error("Cannot write to store: it is closed");
    const begin = sync === "synced" ? [BEGIN] : BEGIN_UNSYNCED;
    const writing = this.#attempt(body, [...begin, ...takeLocks(locks)]);
    this.#underWay.add(writing);
    try {
      return await writing;
    } finally {
      this.#underWay.delete(writing);
    }
  }

  /** Refuses every later write, and waits for those under way. */
  async drain(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #attempt<T>(body: () => Steps<T>, opening: readonly PostgresQuery[]): Promise<T> {
    let inOneTrip = true;
    for (let attempt = 1; ; attempt++) {
      try {
        return await withConnection(this.#server, (connection) =>
          this.#transact(connection, body(), opening, inOneTrip),
        );
      } catch (error) {
        // Undone, and done again in a way that lets the body see which of them gave none.
        if (inOneTrip && gaveNoRow(error)) inOneTrip = false;
        else if (attempt === MOST_ATTEMPTS || !isWorthRepeating(error)) throw error;
      }
    }
  }

  async #transact<T>(
    connection: Pick<PostgresConnection, "send">,
    steps: Steps<T>,
    opening: readonly PostgresQuery[],
    inOneTrip: boolean,
  ): Promise<T> {
    // What nobody waits for goes with what somebody does, or with the commit: each trip is time that locks are held.
    const waiting = [...opening];
    let isCommitted = false;
    let next = steps.next();
    if (next.done) return next.value;
    while (!next.done) {
      const { queries, wants, last } = next.value;
      const isLast = last === true && inOneTrip;
      const asked = queries
        .map((query) => this.#statements.of(query))
        .map(isLast ? orFail : (query) => query);
      waiting.push(...asked);
      if (wants === "nothing") {
        next = steps.next();
        continue;
      }
      const answers = await connection.send([...waiting.splice(0), ...(isLast ? [COMMIT] : [])]);
      isCommitted = isLast;
      const own = isLast ? answers.slice(-asked.length - 1, -1) : answers.slice(-asked.length);
      next = steps.next(own.map(({ rows, count }) => (wants === "rows" ? rows : count)));
      if (isCommitted && !next.done) throw new TypeError("Cannot write to store: it was over before its end");
    }
    // A crash before this line leaves nothing; one behind it leaves a write that nobody was told of, never the reverse.
    // Where one of those that go with it failed, the server takes the COMMIT for a ROLLBACK, and the failure is thrown.
    if (!isCommitted) await connection.send([...waiting, COMMIT]);
    return next.value;
  }
}
