/** What every store must do with claims and settlements. Called by {@link storeSuite}'s implementations. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WindowClaim } from "../../../src/core/budget/index.ts";
import type {
  AttemptClaim,
  Claimed,
  LoopClaim,
  RunClaims,
  RunSettlement,
  Store,
} from "../../../src/ports/index.ts";
import { arm, type Faults, noFaults } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const HOUR: WindowClaim = {
  class: "exploratory",
  per_seconds: 3600,
  starts_at_ms: 0,
  limit: { runs: 3, fuel: 1000 },
  take: { runs: 1, fuel: 300, egress_bytes: 0, wall_ms: 0 },
};
const OWNER = { tenant: "acme", tool: "hash" };
const kept = (text: string) => ({ keyId: "k1", content: new TextEncoder().encode(text) });

function claimsOf(n: number, more: Partial<RunClaims> = {}): RunClaims {
  const { run, tenant, tool, function: name, admittedAtMs } = intentOf(n, more.tenant);
  return {
    ...{ run, tenant, tool, function: name, atMs: admittedAtMs, windows: [], expiresAtMs: 100_000 },
    ...more,
  };
}

function settlementOf(n: number, more: Partial<RunSettlement> = {}): RunSettlement {
  const { tenant, tool } = intentOf(n);
  return {
    used: { runs: 1, fuel: 100, egress_bytes: 0, wall_ms: 0 },
    good: true,
    cost: {
      ...{ tenant, tool, purpose: "demo", class: "exploratory", fuel: 100, egressBytes: 0, wallMs: 5 },
      ...{ amount: 7, atMs: 5000 },
    },
    ...more,
  };
}

/** Declares the suite. */
export function accountsSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`AccountStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let faults: Faults;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      faults = noFaults();
      store = await subject.open(faults);
    });
    afterEach(async () => {
      await store.close().catch(() => undefined);
      await subject.remove();
    });
    const admit = (n: number, more: Partial<RunClaims> = {}): Promise<Claimed> =>
      store.recordIntent(intentOf(n, more.tenant), claimsOf(n, more));
    const held = () => store.accounts.heldOf(OWNER, HOUR);
    const refusal = (claimed: Claimed) =>
      claimed.kind === "refused" ? claimed.refusal.kind : `no: ${claimed.kind}`;

    it("takes from a window up to its limit, and says what is held", async () => {
      expect(await held()).toBeUndefined();
      expect(await admit(1, { windows: [HOUR] })).toEqual({ kind: "ok", held: [HOUR.take] });
      for (const n of [2, 3]) expect((await admit(n, { windows: [HOUR] })).kind).toBe("ok");
      const refused = await admit(4, { windows: [HOUR] });
      expect(refused).toEqual({
        kind: "refused",
        refusal: {
          kind: "budget-spent",
          claim: HOUR,
          spent: { measure: "runs", wanted: 1, left: 0, freesAtMs: 3_600_000 },
        },
      });
      expect(await held()).toEqual({ runs: 3, fuel: 900, egress_bytes: 0, wall_ms: 0 });
      expect(await store.findRun("acme", intentOf(4).run)).toBeUndefined();
    });

    it("takes nothing from any window when one of them has no room", async () => {
      const day = { ...HOUR, per_seconds: 86_400, limit: { fuel: 400 } };
      expect((await admit(1, { windows: [HOUR, day] })).kind).toBe("ok");
      expect(await admit(2, { windows: [HOUR, day] })).toMatchObject({
        refusal: { claim: { per_seconds: 86_400 }, spent: { measure: "fuel", wanted: 300, left: 100 } },
      });
      expect(await held()).toEqual({ runs: 1, fuel: 300, egress_bytes: 0, wall_ms: 0 });
    });

    it("refuses a run that is larger than a whole window", async () => {
      const tiny = { ...HOUR, limit: { fuel: 299 } };
      expect(await admit(1, { windows: [tiny] })).toMatchObject({ refusal: { spent: { left: 299 } } });
      expect(await held()).toBeUndefined();
    });

    it("tells nobody that claims are taken which are refused", async () => {
      await admit(1, { windows: [{ ...HOUR, limit: { runs: 1 } }] });
      const taken = () => expect.fail("nobody is to begin");
      const claims = claimsOf(2, { windows: [{ ...HOUR, limit: { runs: 1 } }] });
      expect(refusal(await store.recordIntent(intentOf(2), claims, taken))).toBe("budget-spent");
    });

    it("keeps tenants, tools, classes and windows apart", async () => {
      const full = { ...HOUR, limit: { runs: 1 } };
      await admit(1, { windows: [full] });
      expect((await admit(2, { windows: [full], tenant: "other" })).kind).toBe("ok");
      expect((await admit(3, { windows: [full], tool: "other" })).kind).toBe("ok");
      expect((await admit(4, { windows: [{ ...full, class: "customer_visible" }] })).kind).toBe("ok");
      expect((await admit(5, { windows: [{ ...full, starts_at_ms: 3_600_000 }] })).kind).toBe("ok");
      expect(refusal(await admit(6, { windows: [full] }))).toBe("budget-spent");
    });

    it("never holds more than the limit, however many claim at once", async () => {
      const all = await Promise.all(
        Array.from({ length: 40 }, (_, n) => admit(n, { windows: [{ ...HOUR, limit: { runs: 7 } }] })),
      );
      expect(all.filter(({ kind }) => kind === "ok").length).toBe(7);
      expect((await held())?.runs).toBe(7);
    });

    it("gives back at the seal what was not used, and counts the run", async () => {
      await admit(1, { windows: [HOUR] });
      await store.seal(sealOf(intentOf(1)), settlementOf(1));
      expect(await held()).toEqual({ runs: 1, fuel: 100, egress_bytes: 0, wall_ms: 0 });
      expect(await store.accounts.expire(1e12)).toBe(0);
    });

    it("gives back no more than was taken when more was used than that", async () => {
      await admit(1, { windows: [HOUR] });
      const used = { runs: 1, fuel: 10_000, egress_bytes: 5, wall_ms: 5 };
      await store.seal(sealOf(intentOf(1)), settlementOf(1, { used }));
      expect(await held()).toEqual(HOUR.take);
    });

    it("gives back an expired lease exactly once, and nothing more at a late seal", async () => {
      await admit(1, { windows: [HOUR], expiresAtMs: 2000 });
      await admit(2, { windows: [HOUR], expiresAtMs: 9000 });
      expect(await store.accounts.expire(1999)).toBe(0);
      expect(
        (await Promise.all([1, 2, 3].map(() => store.accounts.expire(2000)))).reduce((a, b) => a + b),
      ).toBe(1);
      const after = { runs: 2, fuel: 300, egress_bytes: 0, wall_ms: 0 };
      expect(await held()).toEqual(after);
      await store.seal(sealOf(intentOf(1)), settlementOf(1));
      expect(await held()).toEqual(after);
    });

    it("gives all back at a seal of which nothing is known", async () => {
      await admit(1, { windows: [HOUR] });
      await store.seal(sealOf(intentOf(1), "indeterminate"));
      expect(await held()).toEqual({ runs: 1, fuel: 0, egress_bytes: 0, wall_ms: 0 });
    });

    it("leaves all or nothing of a claim and of a settlement, whichever write fails", async () => {
      const claims = { windows: [HOUR], key: { hash: "h", body: "b", expiresAtMs: 99_999 } };
      for (let failAt = 1; ; failAt++) {
        arm(faults, failAt);
        const run = await admit(failAt, claims).catch(() => undefined);
        const writes = faults.writes;
        arm(faults, undefined);
        const now = await held();
        if (run !== undefined) {
          expect(now?.runs).toBe(1);
          break;
        }
        expect([failAt, now]).toEqual([failAt, undefined]);
        expect(await store.accounts.findKey({ ...OWNER, function: "sum" }, "h", 0)).toBeUndefined();
        expect(writes).toBeGreaterThan(0);
      }
      const sealed = (await store.openRuns(Number.MAX_SAFE_INTEGER, 1))[0]?.run ?? "";
      const seal = { ...sealOf(intentOf(1)), run: sealed };
      const settlement = settlementOf(1, { key: { kind: "answer", answer: kept("yes") } });
      for (let failAt = 1; ; failAt++) {
        arm(faults, failAt);
        const done = await store.seal(seal, settlement).catch(() => undefined);
        arm(faults, undefined);
        const key = await store.accounts.findKey({ ...OWNER, function: "sum" }, "h", 0);
        if (done !== undefined) {
          expect(key?.answer).toEqual(kept("yes"));
          expect((await held())?.fuel).toBe(100);
          break;
        }
        expect([failAt, key?.answer, (await held())?.fuel]).toEqual([failAt, undefined, 300]);
      }
    });

    it("lets one run have a key, and says which to whoever comes later", async () => {
      const key = { hash: "h", body: "b", expiresAtMs: 50_000 };
      const all = await Promise.all([1, 2, 3].map((n) => admit(n, { key })));
      // Whichever comes first: a store may ask on several connections.
      const first = all.findIndex(({ kind }) => kind === "ok") + 1;
      const { run } = intentOf(first);
      const refused = { kind: "refused", refusal: { kind: "key-in-use", run, body: "b" } };
      expect(all.filter((_, n) => n !== first - 1)).toEqual([refused, refused]);
      const place = { ...OWNER, function: "sum" };
      expect(await store.accounts.findKey(place, "h", 0)).toEqual({ run, body: "b" });
      await store.seal(
        sealOf(intentOf(first)),
        settlementOf(first, { key: { kind: "answer", answer: kept("one") } }),
      );
      expect((await store.accounts.findKey(place, "h", 49_999))?.answer).toEqual(kept("one"));
      expect(await store.accounts.findKey(place, "h", 50_000)).toBeUndefined();
      for (const other of [{ tenant: "other" }, { tool: "other" }, { function: "other" }])
        expect(await store.accounts.findKey({ ...place, ...other }, "h", 0)).toBeUndefined();
      // Expired: it belongs to whoever comes next, without the answer that it had.
      expect((await admit(4, { key, atMs: 50_000 })).kind).toBe("ok");
      expect(await store.accounts.findKey(place, "h", 0)).toEqual({ run: intentOf(4).run, body: "b" });
    });

    it("forgets the key of a run that did not happen", async () => {
      const key = { hash: "h", body: "b", expiresAtMs: 50_000 };
      await admit(1, { key });
      await store.seal(sealOf(intentOf(1), "revoked"), settlementOf(1, { key: { kind: "release" } }));
      expect((await admit(2, { key })).kind).toBe("ok");
    });

    const attempt: AttemptClaim = {
      ...{ fingerprint: "f", operation: "read", mayRetry: true },
      budget: { ratio: 0, min_per_second: 0.2, ttl_seconds: 10 },
    };

    it("knows a retry by its fingerprint, until the run before it ends well or is long ago", async () => {
      expect(await admit(1, { attempt })).toEqual({ kind: "ok", held: [] });
      expect(await admit(2, { attempt })).toEqual({ kind: "ok", held: [], retryOf: intentOf(1).run });
      await store.seal(sealOf(intentOf(2)), settlementOf(2));
      expect(await admit(3, { attempt })).toEqual({ kind: "ok", held: [] });
      await store.seal(sealOf(intentOf(3), "failed"), settlementOf(3, { good: false }));
      expect(await admit(4, { attempt })).toMatchObject({ retryOf: intentOf(3).run });
      expect(await admit(5, { attempt, atMs: 1004 + 10_000 })).toEqual({ kind: "ok", held: [] });
    });

    it("lets through as many retries as the budget has, apart for tenants, tools and operations", async () => {
      await admit(1, { attempt });
      for (const n of [2, 3]) expect((await admit(n, { attempt })).kind).toBe("ok");
      expect(await admit(4, { attempt })).toMatchObject({
        refusal: { kind: "retry-budget-spent", of: intentOf(3).run },
      });
      let n = 10;
      for (const other of [
        { tenant: "other" },
        { tool: "other" },
        { attempt: { ...attempt, operation: "write" as const, fingerprint: "g" } },
      ]) {
        expect((await admit(n++, { attempt, ...other })).kind).toBe("ok");
        expect((await admit(n++, { attempt, ...other })).kind).toBe("ok");
      }
    });

    it("multiplies an outage by little, and lets no tenant drain another's budget", async () => {
      const budget = { ratio: 0.2, min_per_second: 0.1, ttl_seconds: 10 };
      let n = 0;
      let served = 0;
      const asked = 60;
      // A minute in which nothing ends well: a request a second, each tried again four times in the second after.
      for (let second = 0; second < asked; second++) {
        const of = (tenant: string) => ({
          tenant,
          atMs: 1_000_000 + second * 1000,
          attempt: { ...attempt, budget, fingerprint: `${tenant} ${second}` },
        });
        for (let again = 0; again < 5; again++) if ((await admit(n++, of("acme"))).kind === "ok") served++;
        expect((await admit(n++, of("other"))).kind).toBe("ok");
      }
      expect(served).toBeGreaterThan(asked);
      expect(served).toBeLessThanOrEqual(asked * 1.2 + 0.1 * (60 + 10));
      const last = { ...attempt, budget, fingerprint: "other 59" };
      expect((await admit(n, { tenant: "other", atMs: 1_060_000, attempt: last })).kind).toBe("ok");
    });

    it("charges retries that are no runs to the same books, and no one else's", async () => {
      const charge = (owner = OWNER, operation: "read" | "write" = "read", atMs = 1000) =>
        store.accounts.takeRetry(owner, operation, attempt.budget, atMs);
      await admit(1, { attempt });
      expect((await admit(2, { attempt })).kind).toBe("ok");
      expect((await charge()).kind).toBe("ok");
      expect((await charge()).kind).toBe("spent");
      expect(refusal(await admit(3, { attempt }))).toBe("retry-budget-spent");
      for (const other of [{ tenant: "other" }, { tool: "other" }])
        expect((await charge({ ...OWNER, ...other })).kind).toBe("ok");
      expect((await charge(OWNER, "write")).kind).toBe("ok");
      expect((await charge(OWNER, "read", 11_000)).kind).toBe("ok");
    });

    it("charges no more of them than there are, however many ask at once", async () => {
      const all = await Promise.all(
        Array.from({ length: 12 }, () => store.accounts.takeRetry(OWNER, "read", attempt.budget, 1000)),
      );
      expect(all.filter(({ kind }) => kind === "ok")).toHaveLength(2);
    });

    it("lets no retry through that may be none, whatever the budget has", async () => {
      const none = { ...attempt, mayRetry: false, budget: { ...attempt.budget, ratio: 10 } };
      expect((await admit(1, { attempt: none })).kind).toBe("ok");
      expect(refusal(await admit(2, { attempt: none }))).toBe("retry-budget-spent");
    });

    const loop: LoopClaim = {
      task: "t1",
      cap: { confidence_below: 0.5, runs: 2, backoff_seconds: 60 },
      confidence: 0.2,
    };

    it("caps a task that goes on with little confidence, until it waited or is confident", async () => {
      for (const n of [1, 2]) expect((await admit(n, { loop })).kind).toBe("ok");
      expect(await admit(3, { loop, atMs: 1003 })).toEqual({
        kind: "refused",
        refusal: { kind: "loop-capped", low: 2, freesInMs: 59_999 },
      });
      expect((await admit(10, { loop, tenant: "other" })).kind).toBe("ok");
      expect((await admit(11, { loop, tool: "other" })).kind).toBe("ok");
      expect((await admit(12, { loop: { ...loop, task: "t2" } })).kind).toBe("ok");
      expect((await admit(4, { loop, atMs: 61_002 })).kind).toBe("ok");
      expect(await admit(5, { loop, atMs: 61_003 })).toMatchObject({ refusal: { freesInMs: 119_999 } });
      expect((await admit(6, { loop: { ...loop, confidence: 0.5 }, atMs: 61_004 })).kind).toBe("ok");
      expect((await admit(7, { loop, atMs: 61_005 })).kind).toBe("ok");
    });

    it("forgets what is over, and nothing that is not", async () => {
      const hour = 3_600_000;
      await admit(1, { attempt, loop, windows: [HOUR], atMs: 1000 });
      await admit(2, { key: { hash: "h", body: "b", expiresAtMs: 2 * hour } });
      await store.accounts.forget(600_000);
      expect(await admit(3, { attempt, atMs: 2000 })).toMatchObject({ retryOf: intentOf(1).run });
      await store.accounts.forget(hour);
      expect(await admit(4, { attempt, atMs: 3000 })).toEqual({ kind: "ok", held: [] });
      // A task that was begun long ago and is gone on with is none that is over.
      await admit(5, { loop, atMs: 6 * 24 * hour });
      await store.accounts.forget(8 * 24 * hour);
      expect(await admit(6, { loop, atMs: 6 * 24 * hour })).toMatchObject({ refusal: { low: 2 } });
      expect(await store.accounts.findKey({ ...OWNER, function: "sum" }, "h", 0)).toBeUndefined();
      expect(await held()).toBeUndefined();
      await store.accounts.forget(14 * 24 * hour);
      expect(await admit(7, { loop, atMs: 14 * 24 * hour })).toEqual({ kind: "ok", held: [] });
    });

    it("keeps the newest output of each place, and no other's", async () => {
      const place = { ...OWNER, function: "sum", input: "i" };
      const put = async (n: number, text: string, atMs: number) => {
        await admit(n);
        const lastGood = { place, output: kept(text), atMs };
        await store.seal(sealOf(intentOf(n)), settlementOf(n, { lastGood }));
      };
      expect(await store.accounts.findLastGood(place)).toBeUndefined();
      await put(1, "old", 10);
      await put(2, "new", 30);
      await put(3, "late", 20);
      expect(await store.accounts.findLastGood(place)).toEqual({
        run: intentOf(2).run,
        output: kept("new"),
        atMs: 30,
      });
      for (const other of [{ tenant: "x" }, { tool: "x" }, { function: "x" }, { input: "x" }])
        expect(await store.accounts.findLastGood({ ...place, ...other })).toBeUndefined();
    });

    it("forgets outputs with the tenant's journals, and with the run's", async () => {
      const place = { ...OWNER, function: "sum", input: "i" };
      const key = { hash: "h", body: "b", expiresAtMs: 50_000 };
      for (const [n, scope] of [
        [1, { kind: "run", run: intentOf(1).run }],
        [2, { kind: "tenant", tenant: "acme" }],
      ] as const) {
        await admit(n, { key });
        const lastGood = { place, output: kept("x"), atMs: n };
        const answer = { kind: "answer", answer: kept("x") } as const;
        await store.seal(sealOf(intentOf(n)), settlementOf(n, { lastGood, key: answer }));
        await store.journals.erase(scope, 99);
        expect(await store.accounts.findLastGood(place)).toBeUndefined();
        expect(await store.accounts.findKey(place, "h", 0)).toBeUndefined();
      }
    });
  });
}
