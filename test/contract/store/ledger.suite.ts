/** What every ledger must do. Called by {@link storeSuite}'s implementations. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChargebackQuery, RunCost, Store } from "../../../src/ports/index.ts";
import { noFaults } from "../../support/faults.ts";
import { intentOf, sealOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const NOON = Date.UTC(2026, 10, 5, 12);
const PRICES = (tool: string) => (tool === "mail" ? 500 : 100);
const ALL: ChargebackQuery = {
  ...{ by: ["tenant", "tool"], where: {}, from: "2026-11-01", until: "2026-12-01", limit: 100 },
};

/** Declares the suite. */
export function ledgerSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`LedgerStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      store = await subject.open(noFaults());
    });
    afterEach(async () => {
      await store.close().catch(() => undefined);
      await subject.remove();
    });

    async function ran(n: number, more: Partial<RunCost> = {}): Promise<void> {
      const cost: RunCost = {
        ...{ tenant: "acme", tool: "hash", purpose: "support", class: "customer_visible", task: "t1" },
        ...{ fuel: 10, egressBytes: 20, wallMs: 30, amount: 7, atMs: NOON },
        ...more,
      };
      await store.recordIntent(intentOf(n, cost.tenant));
      await store.seal(sealOf(intentOf(n)), {
        used: { runs: 1, fuel: 10, egress_bytes: 0, wall_ms: 0 },
        good: true,
        cost,
      });
    }
    const report = (outcome: "succeeded" | "failed" = "succeeded", task = "t1", tenant = "acme") =>
      store.ledger.reportOutcome({ tenant, task }, outcome, PRICES, NOON);
    async function expectBalanced(): Promise<ReadonlyMap<string, bigint>> {
      const balances = await store.ledger.balances();
      expect([...balances.values()].reduce((a, b) => a + b, 0n)).toBe(0n);
      return balances;
    }

    it("is in the currency that was named first, for good", async () => {
      expect(await store.ledger.holdCurrency(undefined)).toBeUndefined();
      const named = await Promise.all(["EUR", "USD", "CHF"].map((one) => store.ledger.holdCurrency(one)));
      expect(new Set(named).size).toBe(1);
      await store.close();
      store = await subject.open(noFaults());
      expect(await store.ledger.holdCurrency("JPY")).toBe(named[0]);
      expect(await store.ledger.holdCurrency(undefined)).toBe(named[0]);
    });

    it("enters the cost of a run once, and bills a task that succeeded once for each tool", async () => {
      await ran(1);
      await ran(2, { tool: "mail", purpose: "first" });
      await ran(3, { tool: "mail", purpose: "last" });
      await expectBalanced();
      const reports = await Promise.all([report(), report(), report()]);
      expect(reports.filter((one) => one.kind === "reported" && one.first)).toHaveLength(1);
      for (const one of reports) {
        expect(one).toMatchObject({
          ...{ kind: "reported", atMs: NOON, runs: 3, cost: 21n },
          billed: [
            { tool: "hash", purpose: "support", class: "customer_visible", amount: 100 },
            { tool: "mail", purpose: "last", class: "customer_visible", amount: 500 },
          ],
        });
      }
      expect(await expectBalanced()).toEqual(
        new Map([
          ["cost-of-runs", 21n],
          ["receivable", 600n],
          ["resources", -21n],
          ["revenue", -600n],
        ]),
      );
      await expect(store.seal(sealOf(intentOf(1)), undefined)).rejects.toThrow();
    });

    it("bills nothing for a task that failed, and keeps to what was reported first", async () => {
      await ran(1);
      expect(await report("failed")).toMatchObject({ kind: "reported", first: true, billed: [] });
      expect(await report("succeeded")).toEqual({ kind: "conflict", outcome: "failed" });
      expect((await expectBalanced()).get("revenue")).toBeUndefined();
    });

    it("knows no task without a sealed run, and none of another tenant", async () => {
      expect(await report()).toEqual({ kind: "unknown" });
      await ran(1);
      expect(await report("succeeded", "t1", "other")).toEqual({ kind: "unknown" });
      expect(await report("succeeded", "t2")).toEqual({ kind: "unknown" });
      expect(await report()).toMatchObject({ kind: "reported", first: true });
    });

    it("sums lines by any keys, in their order, page by page", async () => {
      let n = 0;
      for (const tenant of ["acme", "beta"])
        for (const tool of ["hash", "mail"])
          for (const day of [3, 4]) {
            n++;
            await ran(n, { tenant, tool, atMs: Date.UTC(2026, 10, day), task: `t${n}` });
          }
      await ran(99, { atMs: Date.UTC(2026, 11, 1) });
      await report("succeeded", "t1");
      const lines = await store.ledger.chargeback(ALL);
      expect(lines.map(({ keys, runs, cost, billed }) => [...keys, runs, cost, billed])).toEqual(
        [
          ["acme", "hash", 2, 14n, 0n],
          ["acme", "mail", 2, 14n, 0n],
          ["beta", "hash", 2, 14n, 0n],
          ["beta", "mail", 2, 14n, 0n],
        ].map((line, index) => (index === 0 ? ["acme", "hash", 2, 14n, 100n] : line)),
      );
      const paged: string[][] = [];
      for (let after: readonly string[] | undefined; ; ) {
        const [line] = await store.ledger.chargeback({
          ...{ ...ALL, by: ["day", "tool"], where: { tenant: "acme" }, limit: 1 },
          ...(after === undefined ? {} : { after }),
        });
        if (line === undefined) break;
        paged.push([...line.keys]);
        after = line.keys;
      }
      // The bill is of the day of the report.
      expect(paged).toEqual([
        ["2026-11-03", "hash"],
        ["2026-11-03", "mail"],
        ["2026-11-04", "hash"],
        ["2026-11-04", "mail"],
        ["2026-11-05", "hash"],
      ]);
      expect(
        await store.ledger.chargeback({ ...ALL, by: ["month"], from: "2026-12-01", until: "2027-01-01" }),
      ).toEqual([
        { keys: ["2026-12"], runs: 1, bills: 0, fuel: 10, egressBytes: 20, wallMs: 30, cost: 7n, billed: 0n },
      ]);
      const runs = await store.ledger.chargeback({
        ...ALL,
        by: ["run"],
        where: { tenant: "acme", tool: "hash" },
      });
      expect(runs.filter(({ digest }) => digest === "d".repeat(64)).map(({ keys }) => keys[0])).toEqual([
        intentOf(1).run,
        intentOf(2).run,
      ]);
    });

    it("adds beyond 2^53", async () => {
      for (let n = 1; n <= 3; n++) await ran(n, { fuel: Number.MAX_SAFE_INTEGER, amount: 2 ** 52 });
      const [line] = await store.ledger.chargeback(ALL);
      expect(line?.cost).toBe(3n * 2n ** 52n);
      expect(line?.fuel).toBeCloseTo(3 * 2 ** 53, -1);
      await expectBalanced();
    });
  });
}
