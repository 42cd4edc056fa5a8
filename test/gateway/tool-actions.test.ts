/** How long a version that was taken out of force still got runs: over all gateways, and by the right clock of events. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { runtime } from "#runtime";
import { sha256Hex } from "../../src/core/digest.ts";
import type { ActionPredicate } from "../../src/core/manifest/index.ts";
import { firstState, type ToolState } from "../../src/core/rollout/index.ts";
import { newActionId, newRunId } from "../../src/gateway/ids.ts";
import { ActionKeeper } from "../../src/gateway/index.ts";
import type { Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { actOfTest } from "../support/key-act.ts";

const START_MS = 1_700_000_000_000;
const BY = { by: "cli", note: "" };
const textOf = (version: number) => `{"version":${version}}`;

let store: Store;
let nowMs: number;
let keeper: ActionKeeper;
const clock = { ...runtime.clock, nowMs: () => nowMs };
const act = () => ({ id: newActionId(clock, runtime.entropy), ...BY });

beforeEach(async () => {
  store = await openStore(runtime.openSqlite(":memory:"));
  nowMs = START_MS;
  for (const version of [1, 2]) {
    const made = {
      ...{ tool: "hash", digest: `sha256:${version}`, component: "sha256:c", seenAtMs: nowMs },
      document: JSON.stringify({ policies: [{ source: "policy.yaml", text: textOf(version) }] }),
    };
    const first = (number: number, state?: ToolState) => state ?? firstState("hash", number, nowMs);
    await store.versions.record(made, new Uint8Array(1), first, act());
  }
  // Version 2 is in force, and was for a while.
  await change("activate", (state) => ({ ...state, active: 2, earlier: [1] }));
  nowMs += 60_000;
  keeper = new ActionKeeper({
    ...{ store, clock, versions: { host: "test", writ: "test" }, log: () => undefined },
    evidence: { act: () => Promise.reject(new Error("signs nothing here")) },
  });
});
afterEach(() => store.close());

/** @returns the action's id */
async function change(kind: string, to: (state: ToolState) => ToolState): Promise<string> {
  const [row] = (await store.versions.states()).rows;
  if (row === undefined) throw new Error("there is no state");
  const action = { ...act(), tool: "hash", atMs: nowMs, kind, before: row.state, after: to(row.state) };
  expect(await store.versions.change(row.revision, action)).toBe(true);
  return action.id;
}

async function run(version: number): Promise<void> {
  const predicate = { artifact_hash: "sha256:c", policy_id: `sha256:${sha256Hex(textOf(version))}` };
  await store.recordIntent({
    ...{ run: newRunId(clock, runtime.entropy), tenant: "acme", tool: "hash", function: "sum" },
    ...{ admittedAtMs: nowMs, predicate: JSON.stringify(predicate) },
  });
}

async function settledMs(action: string): Promise<number | undefined> {
  nowMs += 10_000;
  await keeper.round();
  return (await store.versions.listActions("hash", 10)).find(({ id }) => id === action)?.settledMs;
}

it("dates what is signed by the act, and what waited long by its signature", async () => {
  const signed: ActionPredicate[] = [];
  const signing = new ActionKeeper({
    ...{ store, clock, versions: { host: "test", writ: "test" }, log: () => undefined },
    evidence: { act: async (predicate) => void signed.push(predicate) },
  });
  const early = actOfTest();
  await store.keyActs.issue(keyOf(1), { ...early, atMs: nowMs });
  nowMs += 60_001;
  const soon = actOfTest();
  await store.keyActs.issue(keyOf(2), { ...soon, atMs: nowMs });
  nowMs += 1_000;
  await signing.round();
  const of = (id: string) => signed.find(({ action }) => action === id);
  expect(of(early.id)).toMatchObject({
    finished_at: new Date(nowMs).toISOString(),
    changes: [
      "a key",
      `done at ${new Date(nowMs - 61_001).toISOString()}, when no gateway ran that could sign it`,
    ],
  });
  expect(of(soon.id)).toMatchObject({
    finished_at: new Date(nowMs - 1_000).toISOString(),
    changes: ["a key"],
  });
});

const keyOf = (n: number) => ({
  ...{ id: `key_${n}`, hash: `${n}`, tenant: "acme", tier: "free", scopes: [], createdAtMs: 1, label: "ci" },
});
const back = (state: ToolState): ToolState => ({ ...state, active: 1, earlier: [] });

it("is the time from the command to the last run of the old version", async () => {
  const rollback = await change("rollback", back);
  nowMs += 300;
  await run(2);
  nowMs += 200;
  await run(1);
  expect(await settledMs(rollback)).toBe(300);
});

it("is nothing when no run of it came any more", async () => {
  await run(2);
  nowMs += 1;
  const rollback = await change("rollback", back);
  await run(1);
  expect(await settledMs(rollback)).toBe(0);
});

it("does not count runs of a version that a later command put in force again", async () => {
  const rollback = await change("rollback", back);
  nowMs += 150;
  await run(2);
  nowMs += 350;
  const canary = { version: 2, basisPoints: 5_000, tenants: [], sinceMs: nowMs };
  await change("canary", (state) => ({ ...state, canary }));
  nowMs += 1_000;
  await run(2);
  expect(await settledMs(rollback)).toBe(150);
});

it("counts on behind a later command that leaves it out of force", async () => {
  const rollback = await change("rollback", back);
  nowMs += 100;
  await change("floor", (state) => ({ ...state, floors: [{ tenant: "acme", version: 1 }] }));
  nowMs += 500;
  await run(2);
  expect(await settledMs(rollback)).toBe(600);
});
