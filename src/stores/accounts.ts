/** The books of runs: what is read of them, and what is forgotten. Claims and settlements are steps of the store's own. */
import type { AccountStore, Kept, KeyedRun, LastGood } from "../ports/index.ts";
import * as queries from "./account-queries.ts";
import { chargeRetry, expire, forget } from "./account-steps.ts";
import type { Database } from "./database.ts";

/** Leases ended in one transaction: others wait behind it. */
const EXPIRED_AT_ONCE = 200;

/** Accounts in a database, beside the runs. */
export function createAccounts(database: Database): AccountStore {
  return {
    async findKey(place, hash, nowMs) {
      return (await database.read(queries.selectKeyedRun(place, hash, nowMs))).map(toKeyedRun)[0];
    },
    async findLastGood(place) {
      return (await database.read(queries.selectLastGood(place))).map(toLastGood)[0];
    },
    async heldOf(owner, claim) {
      return (await database.read(queries.selectWindow(owner, claim)))[0];
    },
    takeRetry: (owner, operation, budget, nowMs) =>
      database.write(() => chargeRetry(owner, operation, budget, nowMs)),
    expire: (nowMs) => database.write(() => expire(nowMs, EXPIRED_AT_ONCE)),
    forget: (nowMs) => database.write(() => forget(nowMs)),
  };
}

function toKeyedRun({ run, body, key_id, content }: queries.KeyRowColumns): KeyedRun {
  return key_id === null || content === null
    ? { run, body }
    : { run, body, answer: toKept({ key_id, content }) };
}

function toLastGood({ run, key_id, content, at_ms }: queries.LastGoodColumns): LastGood {
  return { run, output: toKept({ key_id, content }), atMs: at_ms };
}

/** A copy: what the driver gives may be a view of its own memory. */
function toKept({ key_id, content }: { readonly key_id: string; readonly content: Uint8Array }): Kept {
  return { keyId: key_id, content: Uint8Array.from(content) };
}
