/**
 * The schema in PostgreSQL: brings a database to this version's, in one transaction, one gateway at a time, while others
 * of the version before go on with it.
 *
 * A database that is newer is used as it is, because migrations only add (see `schema.ts`). Should one ever have to
 * shut older versions out, it says so in the database, and this version obeys.
 */
import type { PostgresConnection, PostgresServer } from "../../ports/index.ts";
import { MIGRATIONS, type Migration, type Part } from "../migrations.ts";
import { BEGIN, COMMIT, isInTheWay, isWorthRepeating, rowsOf, takeLocks } from "./statements.ts";
import { withConnection } from "./transaction.ts";

/** What the database says of itself. */
interface Version {
  readonly version: number;
  /** Versions before this one can not work with it. */
  readonly oldest: number;
}

/** A function that triggers of append-only tables call. */
const REFUSE_CHANGE = `
  CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END $$;`;

/** Who changes a table waits until nobody uses it, and whoever wants to use it next waits behind him: no longer than this. */
const GIVE_WAY_AFTER = "500ms";
/** Attempts at finding the tables free, a second or so for each. */
const MOST_ATTEMPTS = 30;

/**
 * A crash anywhere in here leaves the database at the version it had.
 *
 * @param migrations what there is to know: this Writ's, unless a test plays another version
 * @throws {Error} when the database is another program's, shuts this version out, or its tables are never free
 */
export async function migrate(
  server: PostgresServer,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptMigration(server, migrations);
    } catch (error) {
      // Gateways that run go first: what they hold is theirs for a moment, and everything is as it was before.
      if (!isInTheWay(error) && !isWorthRepeating(error)) throw error;
      if (attempt === MOST_ATTEMPTS)
        throw new Error(
          "Cannot open store: its tables are in use for too long to be changed; try again later",
          {
            cause: error,
          },
        );
    }
  }
}

function attemptMigration(server: PostgresServer, migrations: readonly Migration[]): Promise<void> {
  return withConnection(server, async (connection) => {
    // The lock is the first thing: of two gateways that start on an empty database, one waits and finds it done.
    await connection.send([BEGIN, ...takeLocks([{ name: "schema" }])]);
    const found = await readVersion(connection);
    if (found !== undefined && found.oldest > migrations.length) {
      throw new Error(
        `Cannot open store: its schema ${found.version} shuts out versions before ${found.oldest}, and this Writ knows ${migrations.length}`,
      );
    }
    const version = found?.version ?? 0;
    const sql = migrations.slice(version).flat().map(write);
    if (found === undefined) sql.unshift(CREATE_VERSION, REFUSE_CHANGE);
    if (version < migrations.length) sql.push(`UPDATE writ_schema SET version = ${migrations.length}`);
    const giveWay = `SET LOCAL lock_timeout = '${GIVE_WAY_AFTER}'`;
    await connection.send([giveWay, ...sql].map((text) => ({ text })).concat(COMMIT));
  });
}

const CREATE_VERSION = `
  CREATE TABLE writ_schema (id BIGINT PRIMARY KEY CHECK (id = 0), version BIGINT NOT NULL, oldest BIGINT NOT NULL);
  INSERT INTO writ_schema (id, version, oldest) VALUES (0, 0, 0);`;

async function readVersion(connection: Pick<PostgresConnection, "send">): Promise<Version | undefined> {
  const [tables] = await connection.send([
    {
      text: "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()",
    },
  ]);
  const names = rowsOf<{ name: string }>(tables);
  if (names.length === 0) return undefined;
  if (!names.some(({ name }) => name === "writ_schema")) {
    throw new Error(
      `Cannot open store: the database belongs to another program, it has a table ${JSON.stringify(names[0]?.name)}; give Writ a database of its own`,
    );
  }
  const [rows] = await connection.send([{ text: "SELECT version, oldest FROM writ_schema" }]);
  return rowsOf<Version>(rows)[0];
}

function write(part: Part): string {
  if (typeof part === "string") return translate(part);
  switch (part.kind) {
    case "append-only":
      // One rule for all: keys are unique, and nothing here replaces rows.
      return `
  CREATE TRIGGER ${part.table}_refuse_change BEFORE UPDATE OR DELETE ON ${part.table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER ${part.table}_refuse_truncate BEFORE TRUNCATE ON ${part.table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();`;
    case "postgres":
      return part.sql;
    case "shut-out-older":
      return `UPDATE writ_schema SET oldest = ${part.oldest};`;
    case "sqlite":
    case "log-what-is-sealed":
      return "";
  }
}

/** Texts sort by their bytes, as in SQLite and whatever the database's own order is: run ids are read in that order. */
const WORDS: Readonly<Record<string, string>> = {
  TEXT: 'TEXT COLLATE "C"',
  INTEGER: "BIGINT",
  BLOB: "BYTEA",
};

function translate(sql: string): string {
  return sql
    .replace(/\)\s*STRICT\b/g, ")")
    .replace(/\b(?:TEXT|INTEGER|BLOB)\b/g, (word) => WORDS[word] ?? word);
}
