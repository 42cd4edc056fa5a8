/** A gateway that is killed between reserve and settle: what it held goes back when the lease expires, once. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import { openDatabase } from "../../src/wiring/index.ts";
import { intentOf, sealOf } from "../contract/store/intents.ts";
import { firstLine, kill } from "../support/gateway-process.ts";
import { postgresOfFile } from "../support/postgres.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { EXPIRES_AT_MS, OWNER, WINDOW } from "./leases.ts";

const RUNS = 30;
const CHILD = join(import.meta.dirname, "lease-child.ts");
const ARGUMENTS = runtime.name === "deno" ? ["run", "-A", "--no-check", CHILD] : [CHILD];
const postgres = postgresOfFile();

/** @param gateways that look after what is left, at once */
async function examine(database: string, gateways: number): Promise<void> {
  const child = spawn(process.execPath, [...ARGUMENTS, database, String(RUNS)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(await firstLine(child)).toBe("claimed");
  await kill(child);

  const stores = await Promise.all(Array.from({ length: gateways }, () => openDatabase(runtime, database)));
  const [store = expect.fail("no store")] = stores;
  const held = () => store.accounts.heldOf(OWNER, WINDOW);
  const expire = async (nowMs: number) => {
    // Each twice at once: whoever comes second finds nothing.
    const rounds = [...stores, ...stores].map((one) => one.accounts.expire(nowMs));
    return (await Promise.all(rounds)).reduce((sum, returned) => sum + returned, 0);
  };
  expect(await held()).toMatchObject({ runs: RUNS, fuel: RUNS * 300 });
  expect(await expire(EXPIRES_AT_MS - 1)).toBe(0);
  expect(await held()).toMatchObject({ runs: RUNS, fuel: RUNS * 300 });
  expect(await expire(EXPIRES_AT_MS)).toBe(RUNS);
  // That there was a run stays: it may have happened.
  expect(await held()).toMatchObject({ runs: RUNS, fuel: 0 });
  expect(await expire(EXPIRES_AT_MS)).toBe(0);
  // The reconcilers seal them later, and several try.
  for (let n = 0; n < RUNS; n++) {
    const tries = await Promise.allSettled(
      stores.map((one) => one.seal(sealOf(intentOf(n), "indeterminate"))),
    );
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  }
  expect(await held()).toMatchObject({ runs: RUNS, fuel: 0 });
  await Promise.all(stores.map((one) => one.close()));
}

it("a gateway that is killed gives back by expiry what it held, once: SQLite", async () => {
  const folder = await temporaryFolder();
  await examine(join(folder.path, "writ.db"), 1);
  await folder.remove();
});

it("a gateway that is killed gives back by expiry what it held, once: PostgreSQL", async () => {
  await examine(await postgres.createSchema(), 3);
});
