/** `writ chargeback` over a ledger with a thousand lines: sums, pages, CSV, prices of now, and what it can not read. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { RunCost, Store } from "../../src/ports/index.ts";
import { databaseOf, openDatabase } from "../../src/wiring/index.ts";
import { intentOf, sealOf } from "../contract/store/intents.ts";
import { cli, makeFolder, type TestFolder } from "./support.ts";

const NOON = Date.UTC(2026, 10, 5, 12);
/** More lines by run than one page of the ledger has. */
const RUNS = 501;
let folder: TestFolder;

beforeAll(async () => {
  folder = await makeFolder();
  await folder.put("prices.yaml", "{ currency: EUR, run: 0.001 }");
  const store = await openDatabase(runtime, databaseOf({ dataFolder: folder.path }));
  for (let n = 0; n < RUNS; n++) await ran(store, n, n === 0 ? { tenant: "globex", tool: "mail" } : {});
  await store.ledger.reportOutcome({ tenant: "acme", task: "t1" }, "succeeded", () => 250_000_000, NOON);
  await store.close();
});
afterAll(() => folder.remove());

async function ran(store: Store, n: number, more: Partial<RunCost>): Promise<void> {
  const cost: RunCost = {
    ...{ tenant: "acme", tool: "hash", purpose: "support", class: "customer_visible", task: "t1" },
    ...{ fuel: 10, egressBytes: 20, wallMs: 30, amount: 1_000_000, atMs: NOON },
    ...more,
  };
  await store.recordIntent(intentOf(n, cost.tenant));
  const used = { runs: 1, fuel: 10, egress_bytes: 0, wall_ms: 0 };
  await store.seal(sealOf(intentOf(n)), { used, good: true, cost });
}

const chargeback = (...args: string[]) =>
  cli(["chargeback", "--data", folder.path, "--from", "2026-11-01", "--until", "2026-12-01", ...args]);

describe("writ chargeback", () => {
  it("sums by what is asked for, in the currency of the prices", async () => {
    const { code, out } = await chargeback("--by", "tenant,tool");
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ["tenant", "tool", "runs", "bills", "fuel", "egress", "seconds", "cost EUR", "billed EUR"],
      ["acme", "hash", "500", "1", "5000", "10000", "15", "0.500000000", "0.250000000"],
      ["globex", "mail", "1", "0", "10", "20", "0.03", "0.001000000", "0.000000000"],
      ["2 lines, from 2026-11-01 to before 2026-12-01, UTC"],
    ]);
  });

  it("follows every page, and leads from each run to what its manifest signs", async () => {
    const { out } = await chargeback("--by", "run", "--json");
    const { lines, currency } = JSON.parse(out);
    const ofRuns = lines.filter(({ keys }: { keys: { run: string } }) => keys.run !== "");
    expect([ofRuns.length, currency]).toEqual([RUNS, "EUR"]);
    expect(new Set(ofRuns.map(({ digest }: { digest: string }) => digest))).toEqual(
      new Set(["d".repeat(64)]),
    );
    const csv = (await chargeback("--by", "run", "--csv")).out.split("\r\n");
    expect(csv).toHaveLength(lines.length + 1);
  });

  it("narrows by whatever is named", async () => {
    const runs = async (...flags: string[]) =>
      JSON.parse((await chargeback("--by", "tenant", "--json", ...flags)).out).lines.map(
        ({ keys, runs: count }: { keys: { tenant: string }; runs: number }) => [keys.tenant, count],
      );
    expect(await runs("--tenant", "globex")).toEqual([["globex", 1]]);
    expect(await runs("--tool", "hash", "--class", "customer_visible")).toEqual([["acme", 500]]);
    expect(await runs("--class", "exploratory")).toEqual([]);
  });

  it.each([
    [["--by", "colour"], /Cannot sum by "colour": wanted some of tenant, purpose/],
    [["--class", "urgent"], /Cannot read --class "urgent": wanted exploratory or customer_visible/],
    [["--from", "2026-13-01"], /Cannot read --from "2026-13-01": wanted a day such as/],
    [["--data", "/nowhere/at/all"], /Cannot open the ledger: there is no database/],
  ])("refuses %j in words", async (flags, words) => {
    const { code, out, err } = await chargeback(...flags);
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(words)]);
  });
});
