/** What policies grant beside the network, as a component of another vendor's engine sees it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let call: ReturnType<typeof reachFrom>;
let store: Store;
beforeAll(async () => {
  const component = await admit(await npmGuest("reach"));
  box = await openSandbox({ inProcess: true });
  store = await openStore(runtime.openSqlite(":memory:"));
  call = reachFrom(box, component, { clock: runtime.clock, items: store.items });
}, 120_000);
afterAll(async () => {
  await box?.close();
  await store?.close();
});

/** The guest imports these, so a policy without them denies it. */
const BARE = { config: {}, keyvalue: { buckets: ["other"], bytes: 0 } };

describe("environment and arguments", () => {
  it("are empty where the policy names none, whatever this process has", async () => {
    expect(await call(BARE, "started-with")).toMatchObject({
      outcome: { kind: "completed" },
      output: [[], [], null],
    });
  });

  it("are what the policy names, with the tool's name as the program's", async () => {
    const policy = { ...BARE, environment: { LANG: "C.UTF-8", EMPTY: "" }, arguments: ["--fast", "ö"] };
    const { output } = await call(policy, "started-with");
    expect(output).toEqual([
      [
        ["LANG", "C.UTF-8"],
        ["EMPTY", ""],
      ],
      ["reach", "--fast", "ö"],
      null,
    ]);
  });
});

describe("wasi:config/store", () => {
  it("answers the policy's keys and none else, names of JavaScript's own included", async () => {
    const policy = { ...BARE, config: { region: "eu-1", constructor: "a text" } };
    const all = [
      ["region", "eu-1"],
      ["constructor", "a text"],
    ];
    expect((await call(policy, "configured", { key: "region" })).output).toEqual(["eu-1", all]);
    expect((await call(policy, "configured", { key: "constructor" })).output).toEqual(["a text", all]);
    for (const key of ["toString", "Region", ""]) {
      expect((await call(policy, "configured", { key })).output).toEqual([null, all]);
    }
  });

  it("is denied before anything runs where the policy has no config", async () => {
    await expect(call({ keyvalue: BARE.keyvalue }, "configured", { key: "region" })).rejects.toThrow(
      /no config/,
    );
  });
});

describe("wasi:logging/logging", () => {
  it("writes to the run's log, with its context as a field", async () => {
    const { outcome, events, host } = await call(BARE, "note", {
      level: "critical",
      context: "db",
      message: "gone",
    });
    expect(outcome).toEqual({ kind: "completed" });
    expect(host.diagnostics).toEqual([{ stream: "log", text: "error gone context=db" }]);
    expect(events).toMatchObject([{ import: "writ:host/log#write", effect: "allowed", bytes_out: 13 }]);
  });

  it("spends the log budget, and ends the run with it", async () => {
    const budget = {
      fuel: 2e9,
      memory_bytes: "64MiB",
      egress_bytes: 0,
      requests: 0,
      output_bytes: 1000,
      log_bytes: 10,
    };
    const { outcome } = await call({ ...BARE, budget }, "note", {
      level: "info",
      context: "",
      message: "longer than ten",
    });
    expect(outcome).toEqual({ kind: "exhausted", budget: "log_bytes" });
  });
});

describe("wasi:keyvalue", () => {
  const grant = { ...BARE, keyvalue: { buckets: ["notes", "counts"], bytes: 2000 } };
  const keep = async (
    bucket: string,
    operation: string,
    key = "",
    value = "",
    { policy = grant, tenant = "acme" }: { policy?: object; tenant?: string } = {},
  ) => call(policy, "keep", { bucket, operation, key, value }, { tenant });
  const answer = async (...args: Parameters<typeof keep>) => (await keep(...args)).output;

  it("keeps what was set for later runs of the same tenant, and for no other", async () => {
    expect(await answer("notes", "get", "a")).toEqual({ ok: "none" });
    await keep("notes", "set", "a", "höhe");
    expect(await answer("notes", "get", "a")).toEqual({ ok: "höhe" });
    expect(await answer("notes", "exists", "a")).toEqual({ ok: "true" });
    expect(await answer("notes", "get", "a", "", { tenant: "other" })).toEqual({ ok: "none" });
    expect(await answer("counts", "get", "a")).toEqual({ ok: "none" });
    await keep("notes", "delete", "a");
    expect(await answer("notes", "get", "a")).toEqual({ ok: "none" });
  });

  it("writes one event for each function and bucket, with what it moved", async () => {
    const { events } = await keep("notes", "set", "events", "12345");
    expect(events).toMatchObject([
      { import: "wasi:keyvalue/store#open", effect: "allowed", target: "notes", clause: "keyvalue" },
      { import: "wasi:keyvalue/store#[method]bucket.set", target: "notes", bytes_out: 5, result: "1 call" },
    ]);
    expect((await keep("notes", "loop", "x", "50")).events.at(-1)).toMatchObject({
      import: "wasi:keyvalue/store#[method]bucket.exists",
      result: "50 calls",
    });
  });

  it.each(["secret", "Notes", "notes ", "../notes", ""])(
    "denies the bucket %j, saying which clause",
    async (bucket) => {
      const { outcome, events, host } = await keep(bucket, "get", "a");
      // The guest made an `err` of it, so the run is one that was denied an import.
      expect(outcome).toMatchObject({ kind: "denied-import", import: "wasi:keyvalue/store#open" });
      expect(events).toMatchObject([{ effect: "denied", clause: "keyvalue.buckets" }]);
      expect(host.denial?.import).toBe("wasi:keyvalue/store#open");
    },
  );

  it("counts, swaps and batches", async () => {
    expect(await answer("counts", "increment", "n", "5")).toEqual({ ok: "5" });
    expect(await answer("counts", "increment", "n", "-7")).toEqual({ ok: "-2" });
    expect(await answer("counts", "get", "n")).toEqual({ ok: "-2" });
    await keep("counts", "set", "text", "seven");
    expect(await answer("counts", "increment", "text", "1")).toEqual({
      err: "other the value is not a number in decimal text",
    });
    await keep("counts", "set", "max", "9223372036854775807");
    expect(await answer("counts", "increment", "max", "1")).toEqual({
      err: "other the number would not fit into 64 bits",
    });
    expect(await answer("counts", "swap", "cas", "one")).toEqual({ ok: "swapped none" });
    expect(await answer("counts", "swap", "cas", "two>three")).toEqual({ ok: "failed on one, now two" });
    expect(await answer("counts", "get", "cas")).toEqual({ ok: "three" });
    await keep("notes", "set-many", "x,y", "v");
    expect(await answer("notes", "get-many", "x,gone,y")).toEqual({ ok: "x=v-x gone=none y=v-y" });
    await keep("notes", "delete-many", "x,gone");
    expect(await answer("notes", "get-many", "x,y")).toEqual({ ok: "x=none y=v-y" });
  });

  it("answers a spent quota with an error, keeps what was there, and says so in the event", async () => {
    const tenant = "full";
    await keep("notes", "set", "a", "kept", { tenant });
    const { output, events } = await keep("notes", "set-large", "b", "3000", { tenant });
    expect(output).toEqual({ err: "other the quota is spent" });
    expect(events.at(-1)).toMatchObject({ clause: "keyvalue.bytes" });
    expect(await answer("notes", "get", "a", "", { tenant })).toEqual({ ok: "kept" });
    expect(await answer("notes", "get", "b", "", { tenant })).toEqual({ ok: "none" });
  });

  it("refuses keys without bytes, and too long ones", async () => {
    for (const key of ["", "k".repeat(1025)]) {
      expect(await answer("notes", "set", key, "x")).toEqual({ err: "other a key has 1 to 1024 bytes" });
    }
  });

  it("ends a run that calls more often than its policy allows", async () => {
    const policy = { ...BARE, keyvalue: { buckets: ["notes"], bytes: 2000, operations: 20 } };
    const { outcome } = await keep("notes", "loop", "x", "100", { policy });
    expect(outcome).toEqual({ kind: "exhausted", budget: "host_calls" });
  });

  it("lists page by page", async () => {
    const policy = { ...BARE, keyvalue: { buckets: ["notes"], bytes: 100_000, operations: 5000 } };
    const more = { policy, tenant: "many" };
    const keys = Array.from({ length: 700 }, (_, n) => `k${String(n).padStart(4, "0")}`);
    await keep("notes", "set-many", keys.join(","), "v", more);
    expect(await answer("notes", "list", "", "", more)).toEqual({ ok: "500 k0000,k0001,k0002 k0499" });
    expect(await answer("notes", "list", "k0499", "", more)).toEqual({
      ok: "200 k0500,k0501,k0502 null",
    });
  });
});
