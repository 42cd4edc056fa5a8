/** A process to be killed: claims for some runs, says so, and never ends them. Started by lease.test.ts. */

import { writeSync } from "node:fs";
import { runtime } from "#runtime";
import { openDatabase } from "../../src/wiring/index.ts";
import { intentOf } from "../contract/store/intents.ts";
import { claimsOf } from "./leases.ts";

const [database = "", count = "0"] = runtime.args;
const store = await openDatabase(runtime, database);
await Promise.all(
  Array.from({ length: Number(count) }, (_, n) => store.recordIntent(intentOf(n), claimsOf(n))),
);
writeSync(1, "claimed\n");
setInterval(() => undefined, 60_000);
