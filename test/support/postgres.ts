/** PostgreSQL for tests of one file: a server, schemas on it that go away, and connections that fail when told to. */
import { afterAll, beforeAll } from "vitest";
import { runtime } from "#runtime";
import type { PostgresConnection, PostgresQuery, PostgresServer } from "../../src/ports/index.ts";
import { type Faults, failure, note } from "./faults.ts";
import { startPostgres, type TestPostgres } from "./postgres-server.ts";

/** The server of one test file. */
export interface PostgresOfFile {
  readonly server: TestPostgres;
  /** @returns the URL of an empty schema of its own */
  createSchema(): Promise<string>;
  /** @returns the URL of a schema whose tables, if it has any, are empty, and what gives it back */
  borrowSchema(): Promise<{ readonly url: string; giveBack(): Promise<void> }>;
  /** Runs SQL, on the schema of a URL. @returns the rows of the last statement */
  run(url: string, ...sql: readonly string[]): Promise<readonly unknown[]>;
}

/** Starts a server before the tests of a file, and removes it after them. */
export function postgresOfFile(settings: Readonly<Record<string, string>> = {}): PostgresOfFile {
  let server: TestPostgres | undefined;
  let count = 0;
  const free: string[] = [];
  beforeAll(async () => {
    server = await startPostgres(settings);
  });
  afterAll(() => server?.remove());
  const ofFile: PostgresOfFile = {
    get server() {
      if (server === undefined)
        throw new Error("There is no PostgreSQL for this machine: npm has none of it");
      return server;
    },
    async createSchema() {
      const name = `test_${++count}`;
      await ofFile.run(ofFile.server.url(), `CREATE SCHEMA ${name}`);
      return ofFile.server.url("postgres", name);
    },
    async borrowSchema() {
      // Making the tables takes longer than most tests.
      const url = free.pop() ?? (await ofFile.createSchema());
      return {
        url,
        async giveBack() {
          await ofFile.run(url, EMPTY_TABLES);
          free.push(url);
        },
      };
    },
    async run(url, ...sql) {
      const opened = await runtime.openPostgres(url);
      try {
        const connection = await opened.connect();
        try {
          const answers = await connection.send(sql.map((text) => ({ text })));
          return answers.at(-1)?.rows ?? [];
        } finally {
          connection.release(true);
        }
      } finally {
        await opened.close();
      }
    },
  };
  return ofFile;
}

/** Tables that a migration puts a row in, and what that row is then. */
const SEEDED: Readonly<Record<string, string>> = {
  probe: "beats = 0",
  tool_generation: "generation = 0",
};

/** Past the triggers that keep our own code from it, which a replica's session does not run. */
const EMPTY_TABLES = `
  SET session_replication_role = replica;
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()
      AND table_name <> ALL (ARRAY['writ_schema', '${Object.keys(SEEDED).join("', '")}'])
    LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
  END $$;
  ${Object.entries(SEEDED)
    .map(([table, row]) => `UPDATE ${table} SET ${row};`)
    .join("\n")}`;

/** Opens a server whose writes fail as `faults` says; a failure breaks the connection. */
export async function openFaultyPostgres(url: string, faults: Faults): Promise<PostgresServer> {
  const server = await runtime.openPostgres(url);
  return {
    connections: server.connections,
    connect: async () => faulty(await server.connect(), faults),
    close: () => server.close(),
  };
}

function faulty(connection: PostgresConnection, faults: Faults): PostgresConnection {
  let failed: Error | undefined;
  return {
    async send(queries) {
      if (failed !== undefined) throw failed;
      const before: PostgresQuery[] = [];
      for (const query of queries) {
        const fails = note(faults, query.text);
        if (fails && faults.mode === "not-stored") {
          failed = failure(query.text, faults);
          await connection.send(before);
          throw failed;
        }
        before.push(query);
        if (!fails) continue;
        failed = failure(query.text, faults);
        await connection.send(before);
        throw failed;
      }
      return await connection.send(queries);
    },
    release: (broken) => connection.release(broken),
  };
}
