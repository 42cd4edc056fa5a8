/** The PostgreSQL store, on a real server: the contract, and what is PostgreSQL's own. */
import { openPostgresStore } from "../../../src/stores/index.ts";
import { openFaultyPostgres, postgresOfFile } from "../../support/postgres.ts";
import { accountsSuite } from "./accounts.suite.ts";
import { itemsSuite } from "./items.suite.ts";
import { journalsSuite } from "./journals.suite.ts";
import { type StoreSubject, storeSuite } from "./store.suite.ts";
import { versionsSuite } from "./versions.suite.ts";

const postgres = postgresOfFile();

async function createSubject(): Promise<StoreSubject> {
  const schema = await postgres.borrowSchema();
  return {
    open: async (faults) => openPostgresStore(await openFaultyPostgres(schema.url, faults)),
    // Intents are one statement, which is a transaction by itself.
    isCommit: (sql) => sql === "COMMIT" || sql.startsWith("WITH added"),
    remove: schema.giveBack,
  };
}

storeSuite("PostgreSQL", createSubject);
itemsSuite("PostgreSQL", createSubject);
journalsSuite("PostgreSQL", createSubject);
versionsSuite("PostgreSQL", createSubject);
accountsSuite("PostgreSQL", createSubject);
