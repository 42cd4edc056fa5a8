/**
 * A process to be killed or to have its disk fail: evidence and accounts of a gateway without its sandbox. Closes what is
 * open, then admits, observes and seals runs, and says each on its output: when it may have an effect, where it asks for one,
 * and when it may be released. Each run takes from a window, is entered in the ledger, and belongs to a task; tasks are few, and reported again and again.
 *
 * Arguments: folder, runs under way at once, how many (0 = until it is killed), and `persist` for callers who come back when
 * they were refused.
 */

import { writeSync } from "node:fs";
import { runtime } from "#runtime";
import { createEvidence, openObserver } from "../../src/evidence/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { openSigners } from "../../src/wiring/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { knownOf } from "../evidence/support.ts";
import { claimsOf, settle, TASK_PRICE, taskOf } from "./accounts.ts";

const [folder = "", atOnce = "1", count = "0", persist = ""] = runtime.args;
/** Pause of a caller who was refused and comes back. */
const AGAIN_MS = 300;
/** So often it comes back. */
const ATTEMPTS = 60;
const { clock, entropy } = runtime;
const signers = await openSigners(runtime, {
  keysFolder: `${folder}/keys`,
  origin: "log.example",
  address: undefined,
});
const store = await openStore(runtime.openSqlite(`${folder}/writ.sqlite`));
const { observer, close } = await openObserver({
  clock,
  open: (name) => runtime.openAppend(`${folder}/observer/${name}`),
  onError: () => undefined,
});
const evidence = createEvidence({ store, clock, ...signers, settle });
const { sealed, failed } = await evidence.reconcile(Number.POSITIVE_INFINITY);
writeSync(1, `reconciled ${sealed} ${failed}\n`);

let runs = 0;
let left = Number(count) || Number.POSITIVE_INFINITY;

/** Does something, for a caller who persists again and again, and says each refusal. */
async function comeBack(action: () => Promise<void>, say: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      await action();
      return;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : String(error);
      writeSync(1, `${say} ${code}\n`);
      if (persist === "") return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function work(): Promise<void> {
  while (left-- > 0) await comeBack(runOnce, "refused");
}

/** One run of its own name: who was refused and comes back asks for another one. */
async function runOnce(): Promise<void> {
  const run = `run_${Array.from(entropy.bytes(26), (byte) => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[byte & 31]).join("")}`;
  const now = new Date(clock.nowMs()).toISOString();
  const task = { id: taskOf(run), class: "exploratory" } as const;
  const predicate = predicateOf({
    ...{ run, started_at: now, finished_at: now, events: [], task },
    budget: null,
  });
  await observer.admitted({ run, tenant: "acme", effect: "allow" });
  await evidence.admit(knownOf(predicate), claimsOf(predicate, clock.nowMs()));
  // Every other run asks its host for something.
  if (runs++ % 2 === 0) {
    await evidence.syncIntent(run);
    writeSync(1, `served ${run}\n`);
  }
  const { receipt } = await evidence.seal(predicate, []);
  writeSync(1, `released ${receipt.sequence} ${run} ${receipt.digest}\n`);
  // The report of its task may fail by itself, and be made again: the run is over.
  await comeBack(async () => {
    const of = { tenant: predicate.tenant, task: task.id };
    const reported = await store.ledger.reportOutcome(of, "succeeded", () => TASK_PRICE, clock.nowMs());
    if (reported.kind === "reported") writeSync(1, `billed ${task.id}\n`);
  }, "unbilled");
}

await Promise.all(Array.from({ length: Number(atOnce) }, work));
await close();
await store.close();
