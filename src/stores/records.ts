/** What both stores do alike: runs and seals as they are read, API keys, and what is claimed. */
import type { Store } from "../ports/index.ts";
import { all, run as change, type Database } from "./database.ts";
import * as queries from "./queries.ts";
import { toIntent, toKeyRow, toRunRow, toSealed } from "./rows.ts";

/** The part of a store that is reading, keys and claims. */
export type Records = Pick<
  Store,
  | "openRuns"
  | "findRun"
  | "listRuns"
  | "findRunOfAnyTenant"
  | "scanRuns"
  | "listSeals"
  | "insertKey"
  | "findKey"
  | "listKeys"
  | "listKeyPage"
  | "revokeKey"
  | "claim"
>;

/** Records in a database. */
export function createRecords(database: Database): Records {
  return {
    openRuns: async (admittedBeforeMs, limit) =>
      (await database.read(queries.selectOpenRuns(admittedBeforeMs, limit))).map(toIntent),
    findRun: async (tenant, run) => (await database.read(queries.selectRun(tenant, run))).map(toRunRow)[0],
    listRuns: async (tenant, limit, before) =>
      (await database.read(queries.selectRuns(tenant, limit, before))).map(toRunRow),
    findRunOfAnyTenant: async (run) =>
      (await database.read(queries.selectRunOfAnyTenant(run))).map(toRunRow)[0],
    scanRuns: async (after, limit) =>
      (await database.read(queries.selectRunsAfter(after, limit))).map(toRunRow),
    listSeals: async (sequence, limit) =>
      (await database.read(queries.selectSeals(sequence, limit))).map(toSealed),
    insertKey: (key) =>
      database.write(function* () {
        yield* change(queries.insertKey(key));
      }),
    findKey: async (hash) => (await database.read(queries.selectKey(hash))).map(toKeyRow)[0],
    listKeys: async () => (await database.read(queries.selectKeys())).map(toKeyRow),
    listKeyPage: async (page) => (await database.read(queries.selectKeyPage(page))).map(toKeyRow),
    revokeKey: (id, atMs, tenant) =>
      database.write(function* () {
        return (yield* change(queries.revokeKey(id, atMs, tenant))) === 1;
      }),
    claim: (name, value) =>
      database.write(
        function* () {
          const [claimed] = yield* all(queries.selectClaim(name));
          if (claimed === undefined) yield* change(queries.insertClaim(name, value));
          return claimed?.value ?? value;
        },
        [{ name: "claims" }],
      ),
  };
}
