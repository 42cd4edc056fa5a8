/** PostgreSQL on both runtimes, by `pg`: a pool of connections that send statements without waiting for one another. */
import pg from "pg";
import type { PostgresFailure, PostgresQuery, PostgresResult, PostgresServer } from "../ports/index.ts";

/** Connections of one gateway: who may have how many of them is in `stores/postgres/lanes.ts`. */
const CONNECTIONS = 8;
/** After this long without use a connection is closed: making one costs the server a process. */
const IDLE_MS = 60_000;
/** How long a connection is waited for, the server's first word included. */
const CONNECT_MS = 3_000;
/** How long any statement may take, waiting for others' locks included; then it has failed. */
const STATEMENT_MS = 10_000;
/** After this long without a word from a gateway inside a transaction, what it holds is given to the others. */
const SILENT_MS = 5_000;

/**
 * Opens a database; connects when the first connection is wanted.
 *
 * @param url `postgres://…`; what it says of statement timeouts is overruled
 */
export function openPostgres(url: string): PostgresServer {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    // The server's own limit comes first, and says why; this one is for a server that no longer answers.
    query_timeout: STATEMENT_MS + CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: SILENT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: CONNECT_MS,
    pipeline: true,
    application_name: "writ",
    types: { getTypeParser },
  });
  // An idle connection that breaks is told of here and nowhere else; the pool has forgotten it by then.
  pool.on("error", () => undefined);
  return {
    connections: CONNECTIONS,
    async connect() {
      const client = await pool.connect();
      let failed = false;
      // Between two statements a connection breaks without anybody asking it.
      const onError = () => {
        failed = true;
      };
      client.on("error", onError);
      return {
        send: (queries) => send(client, queries),
        release(broken = false) {
          client.off("error", onError);
          client.release(broken || failed);
        },
      };
    },
    close: () => pool.end(),
  };
}

async function send(client: pg.PoolClient, queries: readonly PostgresQuery[]): Promise<PostgresResult[]> {
  // All are written before the first is answered.
  const sent = queries.map(({ text, values, name }) =>
    client.query({ text, ...(values && { values: [...values] }), ...(name && { name }) }),
  );
  const answers = await Promise.allSettled(sent);
  return answers.map((answer) => {
    if (answer.status === "rejected") throw toFailure(answer.reason);
    return { rows: answer.value.rows, count: answer.value.rowCount ?? 0 };
  });
}

function toFailure(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return error;
  const failure: PostgresFailure = Object.assign(
    new Error(`PostgreSQL: ${error.message} (${error.code})`, { cause: error }),
    { sqlState: error.code, isAlive: error.severity === "ERROR" },
  );
  return failure;
}

const INT8 = 20;
const BYTEA = 17;

/** What numbers and bytes are here: as SQLite gives them. */
function getTypeParser(oid: number, format?: "text" | "binary"): (text: string) => unknown {
  if (oid === INT8) return Number;
  const parse: (text: string) => unknown = pg.types.getTypeParser(oid, format);
  // The driver's own bytes have methods that a comparison would see.
  return oid === BYTEA ? (text) => Uint8Array.from(parse(text) as Uint8Array) : parse;
}
