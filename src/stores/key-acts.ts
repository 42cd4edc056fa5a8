/** Keys and what was done about them, in one transaction; each act as the JSON that is to be signed. */
import type { KeyAct, KeyActStore } from "../ports/index.ts";
import { type Database, run, type Steps } from "./database.ts";
import { db, insertKey, revokeKey } from "./queries.ts";
import { raiseGeneration } from "./version-queries.ts";

/** Acts in a database, beside the keys. */
export function createKeyActs(database: Database): KeyActStore {
  return {
    issue: (key, act) =>
      database.write(function* () {
        yield* run(insertKey(key));
        yield* remember(act);
      }),
    revoke: (key, act) =>
      database.write(function* () {
        if ((yield* run(revokeKey(key, act.atMs))) !== 1) return false;
        yield* remember(act);
        return true;
      }),
    // Written by ourselves, from a KeyAct.
    unsigned: async (limit) =>
      (await database.read(selectUnsigned(limit))).map(({ act }): KeyAct => JSON.parse(act)),
  };
}

/** Gateways look at what is to be signed when the generation has grown. */
function* remember(act: KeyAct): Steps<void> {
  yield* run(insertAct(act));
  yield* run(raiseGeneration());
}

function insertAct(act: KeyAct) {
  return db
    .insertInto("key_acts")
    .values({ id: act.id, act: JSON.stringify(act) })
    .compile();
}

/** An act that is an entry of the log has the same name there. */
function selectUnsigned(limit: number) {
  return db
    .selectFrom("key_acts")
    .leftJoin("runs", "runs.run", "key_acts.id")
    .select("key_acts.act")
    .where("runs.run", "is", null)
    .orderBy("key_acts.id")
    .limit(limit)
    .compile();
}
