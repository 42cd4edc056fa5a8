/** What policies grant beside the network, as a component of another vendor's engine sees it. */
import { createHmac } from "node:crypto";
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { loadMounts, parseProfiles, resolveProfiles } from "../../src/broker/index.ts";
import type { Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { admit } from "../support/components.ts";
import { removeFolder } from "../support/folder.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let call: ReturnType<typeof reachFrom>;
let store: Store;
let mounted: string;
beforeAll(async () => {
  const component = await admit(await npmGuest("reach"));
  box = await openSandbox({ inProcess: true });
  store = await openStore(runtime.openSqlite(":memory:"));
  mounted = await mkdtemp(join(tmpdir(), "writ-mount-"));
  await mkdir(join(mounted, "sub"));
  await writeFile(join(mounted, "sub", "inner.txt"), "inner");
  await writeFile(join(mounted, "read.me"), "from the operator");
  const mounts = await loadMounts(new Map([["reference", mounted]]), runtime.readFolder);
  // What is changed after the gateway started is not there, whatever it is.
  await symlink("/etc/passwd", join(mounted, "later"));
  const yaml = `cloud: { secret: { env: KEY }, audience: ["https://api.example.com"], inject: { bearer: true } }`;
  const profiles = await resolveProfiles(parseProfiles(yaml, "p.yaml"), {
    env: () => "the-secret-of-the-cloud",
    files: runtime.files,
  });
  call = reachFrom(box, component, { clock: runtime.clock, items: store.items, mounts, profiles });
});
afterAll(async () => {
  await box?.close();
  await store?.close();
  await removeFolder(mounted);
});

/** The guest imports these, so a policy without them denies it. */
const BARE = {
  config: {},
  keyvalue: { buckets: ["other"], bytes: 0 },
  secret_profile: "cloud",
  secret_operations: ["hmac-sha256", "reveal"],
};

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
    await expect(call({ ...BARE, config: undefined }, "configured", { key: "region" })).rejects.toThrow(
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
    expect(events.at(-1)).toMatchObject({
      effect: "denied",
      target: "notes",
      clause: "keyvalue.bytes",
      change: 'raise keyvalue.bytes: "<more than 2000, or more than 10000 of keyvalue.items>"',
    });
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

describe("wasi:filesystem", () => {
  const policy = {
    ...BARE,
    filesystem: {
      scratch_bytes: 5000,
      mounts: [{ name: "reference", path: "/data" }],
      volume: { path: "/keep", bytes: 3000 },
    },
  };
  const run = (root: string, operation: string, path = "", value = "", tenant = "acme") =>
    call(policy, "file", { root, operation, path, value }, { tenant });
  const answer = async (...args: Parameters<typeof run>) => (await run(...args)).output;

  it("has no directory without the clause, and those of the clause with it", async () => {
    expect((await call(BARE, "roots")).output).toEqual([]);
    expect((await call(policy, "roots")).output).toEqual(["/", "/data", "/keep"]);
  });

  it("keeps a scratch for one run, up to its bytes", async () => {
    expect(await answer("/", "write", "tmp/a", "x")).toEqual({ ok: "1" });
    expect(await answer("/", "read", "tmp/a")).toEqual({ err: "no-entry" });
    expect(await answer("/", "write-far", "big", "4000")).toEqual({ ok: "1" });
    const { output, events } = await run("/", "write-far", "big", "5000");
    expect(output).toEqual({ err: "quota" });
    expect(events).toMatchObject([
      {
        effect: "denied",
        clause: "filesystem.scratch_bytes",
        change: 'raise filesystem.scratch_bytes: "<more than 5000>"',
      },
    ]);
    expect(await answer("/", "write-far", "big", "99999999999")).toEqual({ err: "file-too-large" });
    expect(await answer("/", "resize", "z", "1000")).toEqual({ ok: "1000 true true" });
  });

  it("reads a mount, in pieces and whole, with the digest of it in the evidence", async () => {
    expect(await answer("/data", "read", "read.me")).toEqual({ ok: "from the operator" });
    expect(await answer("/data", "read-stream", "sub/../sub/./inner.txt")).toEqual({ ok: "inner" });
    expect(await answer("/data", "list")).toEqual({ ok: "read.me:regular-file sub:directory" });
    expect(await answer("/data", "stat", "sub/")).toEqual({ ok: "directory 0" });
    const { events } = await run("/data", "read", "read.me");
    expect(events).toMatchObject([
      {
        import: "wasi:filesystem/preopens#get-directories",
        target: "/data/",
        clause: "filesystem.mounts",
        result: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      },
      { import: "wasi:filesystem/types#[method]descriptor.open-at", target: "/data/read.me", bytes_in: 17 },
    ]);
  });

  it.each([
    ["write", "read.me"],
    ["write", "new"],
    ["mkdir", "new"],
    ["unlink", "read.me"],
    ["rmdir", "sub"],
    ["rename", "read.me"],
    ["resize", "read.me"],
  ])("lets nothing %s a mount", async (operation, path) => {
    expect(await answer("/data", operation, path, "1")).toEqual({ err: "read-only" });
    expect(await answer("/data", "read", "read.me")).toEqual({ ok: "from the operator" });
  });

  const escapes: readonly (readonly [path: string, word: string])[] = [
    ["..", "not-permitted"],
    ["../etc/passwd", "not-permitted"],
    ["sub/../../etc/passwd", "not-permitted"],
    ["./.././../etc/passwd", "not-permitted"],
    ["/etc/passwd", "not-permitted"],
    ["//etc/passwd", "not-permitted"],
    ["/", "not-permitted"],
    ["", "no-entry"],
    ["later", "no-entry"],
    ["READ.ME", "no-entry"],
    ["Sub/inner.txt", "no-entry"],
    ["sub\\inner.txt", "no-entry"],
    ["..\\..\\etc\\passwd", "no-entry"],
    ["%2e%2e/etc/passwd", "no-entry"],
    ["read.me\u0000.txt", "illegal-byte-sequence"],
    ["read.me/", "not-directory"],
    ["read.me/..", "not-directory"],
    ["read.me/x", "not-directory"],
    ["nowhere/../read.me", "no-entry"],
    ["\uff0e\uff0e/etc/passwd", "no-entry"],
    ["x".repeat(256), "name-too-long"],
    ["a/".repeat(2100), "name-too-long"],
    ["__proto__", "no-entry"],
    ["constructor", "no-entry"],
  ];
  it("gives nothing for a path that would lead out, under any root and any operation", async () => {
    for (const [path, word] of escapes) {
      expect([path, await answer("/data", "read", path)]).toEqual([path, { err: word }]);
    }
    for (const root of ["/", "/data", "/keep"]) {
      for (const operation of ["read", "stat", "unlink", "mkdir", "list", "write", "readlink"]) {
        const { err } = (await answer(root, operation, "../x", "x")) as { err: string };
        expect([root, operation, err]).toEqual([
          root,
          operation,
          operation === "write" && root === "/data" ? err : "not-permitted",
        ]);
      }
    }
    // From a directory that was opened below, nothing above it is there either.
    expect(await answer("/data", "below", "sub", "inner.txt")).toEqual({ ok: "inner" });
    expect(await answer("/data", "below", "sub", "../read.me")).toEqual({ err: "not-permitted" });
  });

  it("knows no links, neither made nor followed", async () => {
    expect(await answer("/", "symlink", "tmp/l", "/etc/passwd")).toEqual({ err: "not-permitted" });
    expect(await answer("/", "link", "tmp", "m")).toEqual({ err: "not-permitted" });
    expect(await answer("/", "readlink", "tmp")).toEqual({ err: "invalid" });
  });

  it("keeps a volume for later runs of the same tenant, and for no other", async () => {
    expect(await answer("/keep", "mkdir", "notes")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "write", "notes/höhe.txt", "größe")).toEqual({ ok: "7" });
    expect(await answer("/keep", "read", "notes/höhe.txt")).toEqual({ ok: "größe" });
    expect(await answer("/keep", "append", "notes/log", "a,b")).toEqual({ ok: "appended" });
    expect(await answer("/keep", "append", "notes/log", "c")).toEqual({ ok: "appended" });
    expect(await answer("/keep", "read", "notes/log")).toEqual({ ok: "abc" });
    expect(await answer("/keep", "list", "notes")).toEqual({ ok: "höhe.txt:regular-file log:regular-file" });
    expect(await answer("/keep", "list", "", "", "other")).toEqual({ ok: "" });
    expect(await answer("/keep", "rename", "notes/log", "log")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "read", "log")).toEqual({ ok: "abc" });
    expect(await answer("/keep", "rename", "notes", "memos")).toEqual({ err: "unsupported" });
    expect(await answer("/keep", "rmdir", "notes")).toEqual({ err: "not-empty" });
    expect(await answer("/keep", "unlink", "notes/höhe.txt")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "rmdir", "notes")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "list")).toEqual({ ok: "log:regular-file" });
  });

  it("keeps what was written without a sync or a close, and nothing of a file whose name is gone", async () => {
    expect(await answer("/keep", "write-unsynced", "open", "kept")).toEqual({ ok: "4" });
    expect(await answer("/keep", "read", "open")).toEqual({ ok: "kept" });
    expect(await answer("/keep", "write-after-unlink", "ghost")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "read", "ghost")).toEqual({ err: "no-entry" });
  });

  it("keeps a volume's quota to the byte, and says so in the event", async () => {
    // The name's four bytes count: 2996 fit.
    expect(await answer("/keep", "write-synced", "full", "2996", "full")).toEqual({ ok: "undefined" });
    expect(await answer("/keep", "write-synced", "over", "1", "full")).toEqual({ err: "quota" });
    const { output, events } = await run("/keep", "write-synced", "full", "2997", "full");
    expect(output).toEqual({ err: "quota" });
    expect(events).toContainEqual(
      expect.objectContaining({ effect: "failed", target: "/keep/full", result: "quota" }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({
        effect: "denied",
        target: "/keep",
        clause: "filesystem.volume.bytes",
        change: 'raise filesystem.volume.bytes: "<more than 3000>"',
      }),
    );
    expect(await answer("/keep", "stat", "full", "", "full")).toEqual({ ok: "regular-file 2996" });
  });

  it("refuses what a descriptor was not opened for", async () => {
    expect(await answer("/data", "read-without-right", "read.me")).toEqual({ err: "read-only" });
    expect(await answer("/keep", "rename-into", "open", "/")).toEqual({ err: "cross-device" });
    expect(await answer("/keep", "write-new", "open")).toEqual({ err: "exist" });
    expect(await answer("/keep", "same", "open", "./open")).toEqual({ ok: "true" });
  });

  it("ends a run that calls more often than its policy allows", async () => {
    const few = { ...policy, filesystem: { ...policy.filesystem, operations: 1 } };
    const { outcome } = await call(few, "file", {
      root: "/data",
      operation: "read",
      path: "read.me",
      value: "",
    });
    expect(outcome).toEqual({ kind: "exhausted", budget: "host_calls" });
  });
});

describe("writ:host/signing and reveal", () => {
  const use = (operation: string, policy: object = BARE, name = "cloud") =>
    call(policy, "secret", { name, operation, text: "sign me" });

  it("sign with a secret that the guest never sees", async () => {
    const expected = createHmac("sha256", "the-secret-of-the-cloud").update("sign me").digest("hex");
    expect((await use("hmac")).output).toEqual({ ok: expected });
    expect((await use("sign")).output).toEqual({ err: "not-permitted" });
    expect((await use("hmac", BARE, "other")).output).toEqual({ err: "unknown" });
  });

  it("show it to whom the policy lets read it, and to nobody after", async () => {
    expect((await use("length")).output).toEqual({ ok: "23" });
    const { outcome, output, events } = await use("leak");
    expect(outcome).toEqual({ kind: "completed" });
    expect(output).toEqual({ ok: "*".repeat(23) });
    expect(events.map(({ import: name }) => name)).toEqual([
      "writ:host/secrets#get",
      "writ:host/reveal#reveal",
      "output",
    ]);
  });

  it("revoke a run that gives it away, where the policy says so", async () => {
    const { outcome, output } = await use("leak", { ...BARE, on_secret_echo: "revoke" });
    expect(outcome).toEqual({ kind: "revoked", reason: "secret-echo" });
    expect(output).toBeUndefined();
  });
});
