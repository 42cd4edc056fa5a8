/** The broker's side of `wasi:keyvalue`, against an executor that says what no honest one says. */
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createBroker } from "../../src/broker/index.ts";
import type { Grant, JsonValue } from "../../src/core/policy/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { BUDGET, call, clock } from "./support.ts";

const GRANT: Grant = { kind: "keyvalue", buckets: ["notes"], bytes: 1000, items: 10, operations: 100 };

async function open(grants: readonly Grant[] = [GRANT], owner = { tenant: "acme", tool: "notes" }) {
  const store = await openStore(runtime.openSqlite(":memory:"));
  const broker = createBroker({
    clock,
    resolver: { resolve: async () => [] },
    profiles: new Map(),
    items: store.items,
  });
  const run = { grants, owner, budget: BUDGET, startedAtMs: Date.now() };
  return { host: broker.openRun(run), store };
}

const VERBS = [
  ["get", { key: "k" }],
  ["set", { key: "k" }],
  ["delete", { key: "k" }],
  ["exists", { key: "k" }],
  ["list", { after: "" }],
  ["swap", { key: "k", version: 0 }],
  ["increment", { key: "k", delta: "1", signed: true }],
  ["get-many", { keys: ["k"] }],
  ["set-many", { items: [["k", 0]] }],
  ["delete-many", { keys: ["k"] }],
  ["open", {}],
] as const satisfies readonly (readonly [string, Record<string, JsonValue>])[];

describe("keyvalue", () => {
  it.each(VERBS)("refuses %s without a grant, and of a bucket that is not granted", async (verb, args) => {
    for (const grants of [[], [GRANT]]) {
      const { host, store } = await open(grants);
      const bucket = grants.length === 0 ? "notes" : "__proto__";
      const reply = await call(host, `keyvalue/${verb}`, { bucket, ...args });
      expect(reply).toEqual({ kind: "error", error: { tag: "access-denied" } });
      expect(host.events).toMatchObject([{ effect: "denied" }]);
      expect(host.denial?.target).toBe(bucket);
      await store.close();
    }
  });

  it.each(VERBS)("does nothing more once the run is closed: %s", async (verb, args) => {
    const { host, store } = await open();
    await call(host, "keyvalue/set", { bucket: "notes", key: "k" }, new Uint8Array([49]));
    host.close();
    const reply = await call(host, `keyvalue/${verb}`, { bucket: "notes", ...args }, new Uint8Array([50]));
    expect(reply).toMatchObject({ kind: "stop" });
    const drawer = { tenant: "acme", tool: "notes", kind: "keyvalue", bucket: "notes" } as const;
    expect((await store.items.get(drawer, "k"))?.value).toEqual(new Uint8Array([49]));
    await store.close();
  });

  const shapes: readonly (readonly [string, JsonValue])[] = [
    ["keyvalue/get", { bucket: "notes" }],
    ["keyvalue/get", { bucket: "notes", key: 1 }],
    ["keyvalue/get", { bucket: "notes", key: "k", tenant: "other" }],
    ["keyvalue/swap", { bucket: "notes", key: "k", version: -1 }],
    ["keyvalue/increment", { bucket: "notes", key: "k", delta: "1e9", signed: true }],
    ["keyvalue/set-many", { bucket: "notes", items: [["k", -1]] }],
    ["keyvalue/none", {}],
  ];
  it.each(shapes)("ends the run for %s %j, which no executor of ours sends", async (name, args) => {
    const { host, store } = await open();
    expect(await call(host, name, args)).toEqual({
      kind: "stop",
      outcome: { kind: "revoked", reason: "protocol" },
    });
    await store.close();
  });

  it("counts bytes as they are, whatever lengths a batch claims", async () => {
    const { host, store } = await open();
    const items = [
      ["a", 2],
      ["b", 1_000_000],
    ];
    await call(host, "keyvalue/set-many", { bucket: "notes", items }, new Uint8Array([49, 50, 51]));
    const reply = await call(host, "keyvalue/get-many", { bucket: "notes", keys: ["a", "b"] });
    expect(reply).toMatchObject({ kind: "ok", value: [2, 1], body: new Uint8Array([49, 50, 51]) });
    expect(host.events.find(({ import: name }) => name.endsWith("set-many"))).toMatchObject({ bytes_out: 3 });
    await store.close();
  });

  it("opens no run that may keep items where there is no place for them", () => {
    const broker = createBroker({ clock, resolver: { resolve: async () => [] }, profiles: new Map() });
    expect(() => broker.openRun({ grants: [GRANT], budget: BUDGET, startedAtMs: 0 })).toThrow(/no place/);
  });
});
