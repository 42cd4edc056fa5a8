/** PostgreSQL, as the store needs it: connections that take many statements at once. */

/** One statement. */
export interface PostgresQuery {
  /** With `$1`, `$2` … where values go. */
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Prepared under this name, once for each connection; always of the same text. */
  readonly name?: string;
}

/** The answer to one statement. */
export interface PostgresResult {
  /** Objects by column name. 64-bit integers are numbers, `bytea` is bytes. */
  readonly rows: readonly unknown[];
  /** How many rows were changed, or given. */
  readonly count: number;
}

/** What the server itself said of a statement; a connection that broke says nothing, and is any other error. */
export interface PostgresFailure extends Error {
  /** Five characters, PostgreSQL's appendix A. */
  readonly sqlState: string;
  /** The connection lives on, and its transaction can be undone. */
  readonly isAlive: boolean;
}

/** A connection that nobody else uses until it is released. */
export interface PostgresConnection {
  /**
   * Sends statements in one round trip. Every one of them reaches the server, whatever becomes of those before it:
   * inside a transaction nothing after a failure has any effect.
   *
   * @returns their answers, in order
   * @throws the first failure, once all are answered
   */
  send(queries: readonly PostgresQuery[]): Promise<readonly PostgresResult[]>;
  /** Gives it back; `broken`: its state is not known, so it is closed and the server undoes what was begun. */
  release(broken?: boolean): void;
}

/** A server's database. */
export interface PostgresServer {
  /** How many there can be at once; beyond them `connect` waits. */
  readonly connections: number;
  /** @throws when none can be had within a few seconds */
  connect(): Promise<PostgresConnection>;
  /** Closes what is not in use, and the rest when it is released. */
  close(): Promise<void>;
}
