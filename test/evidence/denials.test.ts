/** Denials under a flood: all of them signed, few statements, and nobody answered before. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/digest.ts";
import { createStatement, encodeStatement, type RunPredicate } from "../../src/core/manifest/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { noFaults } from "../support/sqlite.ts";
import { type TestGateway, testStorage, verified } from "./support.ts";

const ALONE = 20;

let storage: Awaited<ReturnType<typeof testStorage>>;
let gateway: TestGateway;
beforeEach(async () => {
  storage = await testStorage();
  gateway = await storage.start(noFaults());
});
afterEach(async () => {
  await gateway.store.close();
  await storage.remove();
});

function denial(n: number, changes: Partial<RunPredicate> = {}): RunPredicate {
  return predicateOf({
    run: `run_${String(n).padStart(26, "0")}`,
    output_hash: null,
    outcome: { kind: "denied" },
    decision: { effect: "deny", reasons: [{ clause: "purpose", effect: "deny", detail: "not listed" }] },
    events: [],
    budget: null,
    purpose: `made up number ${n}`,
    ...changes,
  });
}

/** Ends the windows that are open. */
function endWindows(): void {
  for (const { ms, action } of gateway.clock.waiting.splice(0)) if (ms === 1000) action();
}

describe("denials", () => {
  it("few of them are signed one by one, at once", async () => {
    const refused = await Promise.all(
      Array.from({ length: ALONE }, (_, n) => gateway.evidence.refuse(denial(n))),
    );
    for (const [n, { run, text }] of refused.entries()) {
      expect(run).toBe(denial(n).run);
      expect(await verified(text)).toEqual(denial(n));
    }
  });

  it("beyond that they share statements that name each of them, whatever purposes are made up", async () => {
    const asked = Array.from({ length: 2500 }, (_, n) => gateway.evidence.refuse(denial(n)));
    await Promise.all(asked.slice(0, ALONE));
    // Two windows were full by themselves; the third ends with its time.
    await Promise.all(asked.slice(ALONE, ALONE + 2000));
    endWindows();
    const refused = await Promise.all(asked);
    expect((await gateway.store.logHead()).size).toBe(ALONE + 3);
    const carried = new Set<string>();
    for (const run of new Set(refused.slice(ALONE).map((one) => one.run))) {
      const row = await gateway.store.findRun("acme", run);
      const predicate = await verified(row?.seal && (await gateway.evidence.manifest(row.seal)));
      const { count = 0, reasons, members = [] } = predicate.aggregate ?? {};
      expect(reasons).toEqual({ purpose: count });
      expect(members).toHaveLength(count);
      for (const member of members) {
        const own = denial(Number(member.run.slice(4)));
        expect(member.digest).toBe(`sha256:${sha256Hex(encodeStatement(createStatement(own)))}`);
        carried.add(member.run);
      }
    }
    expect(carried.size).toBe(2500 - ALONE);
    for (const [n, { run }] of refused.entries()) if (n >= ALONE) expect(carried).toContain(run);
  });

  it("nobody is answered before the statement is durable, and all who share one that fails are refused", async () => {
    for (let n = 0; n < ALONE; n++) await gateway.evidence.refuse(denial(n));
    let answered = 0;
    const waiting = [100, 101, 102].map((n) => gateway.evidence.refuse(denial(n)).finally(() => answered++));
    const ends = Promise.allSettled(waiting);
    await gateway.store.check();
    expect(answered).toBe(0);
    gateway.signer.fails = "before";
    endWindows();
    for (const end of await ends) {
      expect(end).toMatchObject({ status: "rejected", reason: { code: "evidence-unavailable" } });
    }
    // Once the signer is back, denials are signed again by themselves.
    gateway.signer.fails = undefined;
    gateway.clock.now += 10_000;
    expect((await gateway.evidence.refuse(denial(200))).run).toBe(denial(200).run);
  });

  it("one tenant's flood does not make another tenant wait, nor share its statements", async () => {
    for (let n = 0; n < ALONE; n++) await gateway.evidence.refuse(denial(n));
    const flooding = gateway.evidence.refuse(denial(100));
    const other = await gateway.evidence.refuse(denial(101, { tenant: "globex" }));
    expect(other.run).toBe(denial(101).run);
    endWindows();
    expect(await verified((await flooding).text)).toEqual(denial(100));
  });

  it("different tools, functions, principals, policies and clauses have statements of their own", async () => {
    for (let n = 0; n < ALONE; n++) await gateway.evidence.refuse(denial(n));
    const others: Partial<RunPredicate>[] = [
      {},
      { tool: "other" },
      { function: "weather/other" },
      { principal: "key:other" },
      { policy_id: null },
      { decision: { effect: "deny", reasons: [{ clause: "functions", effect: "deny", detail: "" }] } },
    ];
    const asked = others.flatMap((changes, n) => [
      gateway.evidence.refuse(denial(100 + 2 * n, changes)),
      gateway.evidence.refuse(denial(101 + 2 * n, changes)),
    ]);
    endWindows();
    const runs = (await Promise.all(asked)).map(({ run }) => run);
    expect(new Set(runs).size).toBe(others.length);
  });
});
