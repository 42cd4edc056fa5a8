/** Counting, judging and telling, over a real store: what several gateways do together. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { firstState } from "../../src/core/rollout/index.ts";
import { DEFAULT_SLOS, EVIDENCE_FALLING, type SloFile } from "../../src/core/slo/index.ts";
import type { ClaimedAlert, Clock, Outgoing, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import {
  createMonitor,
  createRecorder,
  createWebhooks,
  type MonitorParts,
} from "../../src/telemetry/index.ts";
import { intentOf, sealOf } from "../contract/store/intents.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { runSeen } from "./support.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let nowMs: number;
beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore(runtime.openSqlite(join(folder.path, "writ.db")));
  nowMs = 1_770_000_000_000;
});
afterEach(async () => {
  await store.close().catch(() => undefined);
  await folder.remove();
});
/** Waits for nothing: what is to happen later happens at once. */
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  after: (_ms, action) => {
    queueMicrotask(action);
    return () => undefined;
  },
};

async function seal(n: number): Promise<string> {
  const intent = intentOf(n);
  await store.recordIntent(intent);
  await store.seal(sealOf(intent));
  return intent.run;
}

const recorder = () =>
  createRecorder({ measures: store.measures, clock, onError: (error) => expect.fail(String(error)) });

async function counted(): Promise<Record<string, number>> {
  const sums = await store.measures.sums(nowMs, 3_600_000);
  const named = sums.map(({ measure, key, count }) => [
    measure === "latency" ? measure : `${measure} ${key}`,
    count,
  ]);
  return Object.fromEntries(named);
}

describe("createRecorder()", () => {
  it("counts runs, denials and refusals each as what they are, callees included", async () => {
    const counts = recorder();
    const child = runSeen({ run: await seal(1), tool: "hash", outcome: "trapped" });
    counts.run(
      runSeen({ run: await seal(2), startedAtMs: nowMs, children: [{ ...child, startedAtMs: nowMs }] }),
    );
    counts.run(runSeen({ run: await seal(3), startedAtMs: nowMs, kind: "denied", outcome: "denied" }));
    counts.run(runSeen({ run: "run_none", startedAtMs: nowMs, kind: "refused", outcome: "budget-spent" }));
    await counts.flush();
    expect(await counted()).toEqual({
      latency: 1,
      "decision allow": 2,
      "decision deny": 1,
      "outcome completed": 1,
      "outcome trapped": 1,
    });
    // Evidence is looked for a moment later.
    nowMs += 1_000;
    await counts.flush();
    expect(await counted()).toMatchObject({ "evidence owed": 2, "evidence sealed": 2 });
  });

  it("asks the store about each run, misses what is missing, and takes it back once it is there", async () => {
    const counts = recorder();
    const late = intentOf(7);
    await store.recordIntent(late);
    // It says that it was sealed; nobody else does.
    counts.run(runSeen({ run: late.run, startedAtMs: nowMs, outcome: "completed" }));
    nowMs += 1_000;
    await counts.flush();
    const missed = await counted();
    expect([missed["evidence owed"], missed["evidence sealed"]]).toEqual([1, undefined]);
    await store.seal(sealOf(late));
    nowMs += 5_000;
    await counts.flush();
    expect(await counted()).toMatchObject({ "evidence owed": 1, "evidence sealed": 1 });
    nowMs += 5_000;
    await counts.flush();
    expect(await counted()).toMatchObject({ "evidence owed": 1, "evidence sealed": 1 });
  });

  it("writes all that it knows when it is stopped, evidence of the last moment included", async () => {
    const still = { ...clock, after: () => () => undefined };
    const { measures } = store;
    const counts = createRecorder({ measures, clock: still, onError: (error) => expect.fail(String(error)) });
    const stop = counts.begin();
    counts.run(runSeen({ run: await seal(1), startedAtMs: nowMs }));
    counts.run(runSeen({ run: "run_none", startedAtMs: nowMs }));
    await stop();
    expect(await counted()).toEqual({
      latency: 2,
      "decision allow": 2,
      "outcome completed": 2,
      "evidence owed": 2,
      "evidence sealed": 1,
    });
  });

  it("keeps what it could not write, and adds to what others wrote", async () => {
    let fails = true;
    const measures = {
      ...store.measures,
      add: (counts: Parameters<Store["measures"]["add"]>[0]) =>
        fails ? Promise.reject(new Error("away")) : store.measures.add(counts),
    };
    const counts = createRecorder({ measures, clock, onError: () => undefined });
    const other = recorder();
    for (let n = 0; n < 3; n++) {
      counts.run(runSeen({ startedAtMs: nowMs, kind: "refused" }));
      other.run(runSeen({ startedAtMs: nowMs, kind: "refused" }));
    }
    await expect(counts.flush()).rejects.toThrow("away");
    fails = false;
    await counts.flush();
    await counts.flush();
    await other.flush();
    expect(await counted()).toEqual({ "decision allow": 6 });
  });
});

function monitor(changes: Partial<MonitorParts> = {}, file: Partial<SloFile> = {}) {
  const told: ClaimedAlert[] = [];
  const taken: string[] = [];
  const made = createMonitor({
    measures: store.measures,
    versions: store.versions,
    clock,
    file: () => ({ ...DEFAULT_SLOS, ...file }),
    labelsOf: async (_tool, version) => [`v${version}`],
    rollBack: async ({ tool }, rule) => void taken.push(`${tool} ${rule}`),
    tell: async (alert) => {
      told.push(alert);
      return true;
    },
    log: () => undefined,
    ...changes,
  });
  return { ...made, told, taken };
}

describe("createMonitor()", () => {
  const evidence = (owed: number, sealed: number) =>
    store.measures.add([
      { atMs: nowMs, tool: "weather", version: "v", measure: "latency", key: "10", count: owed },
      { atMs: nowMs, tool: "weather", version: "v", measure: "evidence", key: "owed", count: owed },
      { atMs: nowMs, tool: "weather", version: "v", measure: "evidence", key: "sealed", count: sealed },
    ]);

  it("turns an alert when evidence falls while latency is green, has it told once by all, and its end too", async () => {
    await evidence(50, 40);
    const [one, two] = [monitor(), monitor()];
    for (const { look } of [one, two, one]) await look();
    for (const { tell } of [one, two, one]) await tell();
    const names = [...one.told, ...two.told].map(({ name, firing }) => `${name} ${firing}`);
    expect(names.filter((name) => name.startsWith(EVIDENCE_FALLING))).toEqual([`${EVIDENCE_FALLING} true`]);
    expect(new Set(names).size).toBe(names.length);

    nowMs += 400_000;
    await evidence(50, 50);
    await one.look();
    await one.tell();
    expect(one.told.at(-1)).toMatchObject({ firing: false });
    expect((await store.measures.listAlerts()).find(({ name }) => name === EVIDENCE_FALLING)?.firing).toBe(
      false,
    );
  });

  it("goes on telling what was not told, after a while and to another gateway's ears too", async () => {
    await evidence(50, 0);
    const deaf = monitor({ tell: async () => false });
    await deaf.look();
    await deaf.tell();
    const other = monitor();
    await other.tell();
    expect(other.told).toEqual([]);
    nowMs += 60_000;
    await other.tell();
    expect(other.told.length).toBeGreaterThan(0);
    expect(other.told[0]?.attempt).toBe(2);
  });

  it("takes back a version that traps, by its own runs alone", async () => {
    const record = (n: number) =>
      store.versions.record(
        { tool: "weather", digest: `sha256:${n}`, component: `sha256:${n}`, document: "{}", seenAtMs: nowMs },
        new Uint8Array(),
        (number, state) => state ?? firstState("weather", number, nowMs),
        { id: `act_${n}`, by: "test", note: "" },
      );
    await record(1);
    await record(2);
    const [row] = (await store.versions.states()).rows;
    const before = row?.state ?? firstState("", 0, 0);
    const canary = { version: 2, basisPoints: 100, tenants: [], sinceMs: nowMs };
    await store.versions.change(row?.revision ?? 0, {
      ...{ id: "act_9", tool: "weather", atMs: nowMs, kind: "canary", by: "test", note: "" },
      ...{ before, after: { ...before, canary } },
    });
    const rollback = [{ tool: "*" as const, trap_rate: 0.5, least_runs: 4, within: 3_600_000 }];
    const trap = (version: string, count: number) =>
      store.measures.add([
        { atMs: nowMs, tool: "weather", version, measure: "outcome", key: "trapped", count },
      ]);
    const watching = monitor({}, { rollback });
    await trap("v1", 100);
    await watching.look();
    expect(watching.taken).toEqual([]);
    await trap("v2", 4);
    await watching.look();
    expect(watching.taken).toEqual(["weather trap-rate"]);
    expect(monitor().taken).toEqual([]);
  });
});

describe("createMonitor() that stops", () => {
  it("waits for the look and for the alert that are under way, and claims no other", async () => {
    await store.measures.setAlert({ name: "one", firing: true, detail: "" }, nowMs);
    await store.measures.setAlert({ name: "two", firing: true, detail: "" }, nowMs);
    const [telling, told] = [Promise.withResolvers<AbortSignal>(), Promise.withResolvers<boolean>()];
    const rounds: (() => void)[] = [];
    const stop = monitor({
      clock: {
        ...clock,
        after(_ms, action) {
          rounds.push(action);
          return () => undefined;
        },
      },
      tell(_alert, stopping) {
        telling.resolve(stopping);
        return told.promise;
      },
    }).begin();
    rounds[0]?.();
    const stopping = await telling.promise;
    expect(stopping.aborted).toBe(false);
    const events: string[] = [];
    const stopped = stop().then(() => events.push("stopped"));
    expect(stopping.aborted).toBe(true);
    await new Promise<void>((resolve) => setImmediate(resolve));
    events.push("told");
    told.resolve(true);
    await stopped;
    expect(events).toEqual(["told", "stopped"]);
    // The other one is still to be had, for another gateway.
    expect(await store.measures.claimAlert(nowMs, 1)).toMatchObject({ attempt: 1 });
  });
});

describe("createWebhooks()", () => {
  const alert: ClaimedAlert = { name: "a", firing: true, sinceMs: 5, change: 3, detail: "d", attempt: 1 };
  const going = new AbortController().signal;
  const hook = { url: "https://hooks.example.com/x", secret: new Uint8Array(32), allowAddresses: [] };

  function outgoing(statuses: (number | Error)[]) {
    const sent: { readonly url: string; readonly body: string; readonly headers: Record<string, string> }[] =
      [];
    const port: Outgoing = {
      async post(url, body, { headers = [] }) {
        sent.push({ url, body, headers: Object.fromEntries(headers) });
        const status = statuses.shift() ?? 200;
        if (status instanceof Error) throw status;
        return { status, text: "" };
      },
      get: () => expect.fail("nothing is read"),
    };
    return { port, sent };
  }
  const tell = (port: Outgoing, log: object[] = []) =>
    createWebhooks({
      ...{ hooks: () => [hook], outgoing: port, clock, log: (line: object) => void log.push(line) },
      credentials: () => expect.fail("the hook names no profile"),
    });

  it("tries three times, under one id, and says when nobody took it", async () => {
    const good = outgoing([500, new Error("refused"), 204]);
    expect(await tell(good.port)(alert, going)).toBe(true);
    expect(good.sent.map(({ headers }) => headers["webhook-id"])).toEqual(["a.3", "a.3", "a.3"]);
    expect(JSON.parse(good.sent[0]?.body ?? "")).toMatchObject({
      type: "alert.firing",
      data: { alert: "a" },
    });

    const log: object[] = [];
    const bad = outgoing([500, 500, 500, 500, 500, 500]);
    expect(await tell(bad.port, log)(alert, going)).toBe(false);
    expect(log).toMatchObject([{ event: "webhook-failed", error: "status 500" }]);
    // Tried by five gateways, or five times by one: given up.
    expect(await tell(bad.port, log)({ ...alert, attempt: 5 }, going)).toBe(true);
  });

  it("tries nothing again once its gateway stops: who waits for a pause hears that it is over", async () => {
    const stopping = new AbortController();
    const first = Promise.withResolvers<void>();
    const { port, sent } = outgoing([500]);
    const post: Outgoing["post"] = async (...given) => {
      const answer = await port.post(...given);
      first.resolve();
      return answer;
    };
    // No pause ever ends by itself.
    const still = { ...clock, after: () => () => undefined };
    const tellOnce = createWebhooks({
      ...{ hooks: () => [hook], outgoing: { ...port, post }, clock: still, log: () => undefined },
      credentials: () => expect.fail("the hook names no profile"),
    })(alert, stopping.signal);
    await first.promise;
    stopping.abort();
    expect(await tellOnce).toBe(false);
    expect(sent.length).toBe(1);
  });
});
