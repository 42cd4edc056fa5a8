/** What an operator does: signed before it is done, in the log, and never taken for a run. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ActionPredicate, digestState, verifyBundle } from "../../src/core/manifest/index.ts";
import { Audit, OPERATOR } from "../../src/evidence/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { noFaults } from "../support/sqlite.ts";
import { type TestGateway, TRUST, testStorage } from "./support.ts";

const ACTION: ActionPredicate = {
  action: "act_01JCA2N3VQ8T5W6X7Y8Z9ABCDE",
  kind: "reload",
  actor: "signal",
  changes: ["weather [free, pro]: max_duration_ms is 6000, was 5000"],
  before: digestState({ tools: {} }),
  after: digestState({ tools: { weather: "sha256:…" } }),
  runtime: { host: "node 26.10.0", writ: "0.1.0" },
  finished_at: "2026-02-01T00:00:00.000Z",
};

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

async function verify(text: string) {
  return await verifyBundle(new TextEncoder().encode(text), TRUST, verifySignature);
}

describe("act()", () => {
  it("signs an action, logs it, and keeps it under nobody's tenant", async () => {
    const { text, receipt } = await gateway.evidence.act(ACTION);
    expect(receipt.sequence).toBe(0);
    const report = await verify(text);
    expect(report).toMatchObject({ ok: true, action: ACTION, predicate: undefined });
    expect(report.ok && report.log?.index).toBe(0n);
    const [row] = await gateway.store.listRuns(OPERATOR, 10);
    expect(row?.intent).toMatchObject({ run: ACTION.action, function: "reload" });
    expect(row?.seal && (await gateway.evidence.manifest(row.seal))).toBe(text);
    expect(await gateway.store.findRun("acme", ACTION.action)).toBeUndefined();
    // It is no run that is left open, and none that a look back over all runs comes upon.
    expect(await gateway.store.openRuns(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    expect(await gateway.store.scanRuns("run_0", 10)).toEqual([]);
    expect(new Audit().finish(undefined).counts.admitted).toBe(0);
  });

  it.each(["before", "after"] as const)("is refused when the signer fails %s it signs", async (fails) => {
    gateway.signer.fails = fails;
    await expect(gateway.evidence.act(ACTION)).rejects.toMatchObject({ code: "evidence-unavailable" });
    expect(await gateway.store.listRuns(OPERATOR, 10)).toEqual([]);
  });

  it("tells very many changes by their number", async () => {
    const changes = Array.from({ length: 1_500 }, (_, index) => `change ${index}`);
    const { text } = await gateway.evidence.act({ ...ACTION, changes });
    const report = await verify(text);
    const told = (report.ok && report.action?.changes) || [];
    expect([told.length, told.at(-1)]).toEqual([1_001, "500 more changes"]);
  });
});

describe("verifyBundle() of an action", () => {
  it.each<[string, Partial<Record<keyof ActionPredicate, unknown>>]>([
    ["a word that nobody knows", { kind: "explode" }],
    ["no change", { changes: [] }],
    ["no actor", { actor: "" }],
    ["a run's id", { action: "run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE" }],
  ])("refuses %s", async (_, changes) => {
    const forged = { ...ACTION, ...changes };
    const { text } = await gateway.evidence.act(forged as ActionPredicate);
    expect(await verify(text)).toMatchObject({ ok: false });
  });

  it("refuses to compare it with a run's output", async () => {
    const { text } = await gateway.evidence.act(ACTION);
    const bytes = new TextEncoder().encode(text);
    const output = new TextEncoder().encode("1");
    expect(await verifyBundle(bytes, TRUST, verifySignature, { output })).toMatchObject({ ok: false });
  });
});
