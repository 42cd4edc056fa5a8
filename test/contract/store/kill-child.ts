/**
 * A process to be killed: seals runs as fast as it can and says each on its output once the store has acknowledged
 * it. Started by kill.test.ts with the database's path and the number of the first run.
 */
import { writeSync } from "node:fs";
import { runtime } from "#runtime";
import { openStore } from "../../../src/stores/index.ts";
import { intentOf, sealOf } from "./intents.ts";

const [path = "", first = "0"] = runtime.args;
const store = await openStore(runtime.openSqlite(path));
let next = Number(first);

async function work(): Promise<void> {
  for (;;) {
    const intent = intentOf(next++);
    await store.recordIntent(intent);
    const { sequence } = await store.seal(sealOf(intent));
    writeSync(1, `${sequence} ${intent.run}\n`);
  }
}

// Several at once, so that kills also fall into commits that many share.
await Promise.all([work(), work(), work(), work()]);
