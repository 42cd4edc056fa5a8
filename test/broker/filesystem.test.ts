/** The broker's side of files, against an executor that says what no honest one says; and folders as they are read. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createBroker, loadMounts } from "../../src/broker/index.ts";
import type { Grant, JsonValue } from "../../src/core/policy/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { removeFolder } from "../support/folder.ts";
import { BUDGET, call, clock } from "./support.ts";

const GRANT: Grant = {
  kind: "filesystem",
  scratch_bytes: 10,
  mounts: [{ name: "reference", path: "/data" }],
  volume: { path: "/keep", bytes: 100 },
  operations: 100,
};
const MOUNT = 1;
const VOLUME = 2;
const LIMITS = { entries: 10, bytes: 1000 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-mount-"));
});
afterEach(() => removeFolder(folder));

async function open(grants: readonly Grant[] = [GRANT]) {
  await writeFile(join(folder, "a"), "text");
  const store = await openStore(runtime.openSqlite(":memory:"));
  const broker = createBroker({
    clock,
    resolver: { resolve: async () => [] },
    profiles: new Map(),
    items: store.items,
    mounts: await loadMounts(new Map([["reference", folder]]), runtime.readFolder),
  });
  const owner = { tenant: "acme", tool: "notes" };
  return { host: broker.openRun({ grants, owner, budget: BUDGET, startedAtMs: Date.now() }), store, broker };
}

const PROTOCOL = { kind: "stop", outcome: { kind: "revoked", reason: "protocol" } };

describe("filesystem", () => {
  const forged: readonly (readonly [string, JsonValue])[] = [
    ["filesystem/list", { root: 0 }],
    ["filesystem/list", { root: 3 }],
    ["filesystem/list", { root: -1 }],
    ["filesystem/read", { root: MOUNT, path: "../a" }],
    ["filesystem/read", { root: MOUNT, path: "/etc/passwd" }],
    ["filesystem/read", { root: MOUNT, path: "" }],
    ["filesystem/read", { root: MOUNT, path: "x/./a" }],
    ["filesystem/read", { root: MOUNT, path: "a\0" }],
    ["filesystem/read", { root: MOUNT, path: "..\\a" }],
    ["filesystem/write", { root: VOLUME, changes: [["../a", 0]] }],
    ["filesystem/write", { root: VOLUME, changes: [["a//", 0]] }],
    ["filesystem/write", { root: VOLUME, changes: [["a", -1]] }],
    ["filesystem/write", { root: VOLUME, changes: "a" }],
  ];
  it.each(forged)("ends the run for %s %j, which no executor of ours sends", async (name, args) => {
    const { host, store } = await open();
    expect(await call(host, name, args)).toEqual(PROTOCOL);
    await store.close();
  });

  it("ends the run for any call without a grant", async () => {
    const { host, store } = await open([]);
    expect(await call(host, "filesystem/list", { root: 0 })).toEqual(PROTOCOL);
    await store.close();
  });

  it("writes nothing to a mount, whoever asks", async () => {
    const { host, store } = await open();
    const reply = await call(
      host,
      "filesystem/write",
      { root: MOUNT, changes: [["a", 1]] },
      new Uint8Array(1),
    );
    expect(reply).toEqual({ kind: "error", error: "read-only" });
    expect(host.events).toMatchObject([{ effect: "failed", result: "read-only", target: "/data/a" }]);
    await store.close();
  });

  it("does nothing more once the run is closed", async () => {
    const { host, store } = await open();
    host.close();
    const reply = await call(
      host,
      "filesystem/write",
      { root: VOLUME, changes: [["a", 1]] },
      new Uint8Array(1),
    );
    expect(reply).toMatchObject({ kind: "stop" });
    expect(
      await store.items.list({ tenant: "acme", tool: "notes", kind: "volume", bucket: "" }, "", 9),
    ).toEqual([]);
    await store.close();
  });

  it("opens no run whose policy mounts what the operator does not name", async () => {
    const { broker, store } = await open();
    const grant: Grant = { ...GRANT, mounts: [{ name: "other", path: "/data" }] };
    expect(() =>
      broker.openRun({
        grants: [grant],
        owner: { tenant: "a", tool: "b" },
        budget: BUDGET,
        startedAtMs: 0,
      }),
    ).toThrowError(expect.objectContaining({ code: "tool-suspended" }));
    await store.close();
  });
});

describe("readFolder()", () => {
  it("reads files and folders, sorted, and a folder that is named through a link", async () => {
    await mkdir(join(folder, "real", "b"), { recursive: true });
    await writeFile(join(folder, "real", "b", "x"), "1");
    await writeFile(join(folder, "real", "a"), "22");
    await symlink(join(folder, "real"), join(folder, "link"));
    const found = await runtime.readFolder(join(folder, "link"), LIMITS);
    expect(found.map((entry) => [entry.path, entry.kind])).toEqual([
      ["a", "file"],
      ["b", "folder"],
      ["b/x", "file"],
    ]);
  });

  it.each(["/etc/passwd", ".", "nowhere"])("refuses a folder with a link to %s", async (to) => {
    await symlink(to, join(folder, "link"));
    await expect(runtime.readFolder(folder, LIMITS)).rejects.toThrow(/"link" is neither a file nor a folder/);
  });

  it("refuses a socket, too many entries and too many bytes", async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(folder, "socket"), done));
    await expect(runtime.readFolder(folder, LIMITS)).rejects.toThrow(/neither a file nor a folder/);
    await new Promise((done) => server.close(done));
    await writeFile(join(folder, "big"), new Uint8Array(1001));
    await expect(runtime.readFolder(folder, LIMITS)).rejects.toThrow(/more than 1000 bytes/);
    await rm(join(folder, "big"));
    for (let n = 0; n < 11; n += 1) await writeFile(join(folder, `f${n}`), "");
    await expect(runtime.readFolder(folder, LIMITS)).rejects.toThrow(/more than 10 entries/);
  });

  it("never reads what a folder is swapped for while it reads", async () => {
    const outside = await mkdtemp(join(tmpdir(), "writ-outside-"));
    await writeFile(join(outside, "x"), "secret");
    await mkdir(join(folder, "d"));
    await writeFile(join(folder, "d", "x"), "mine");
    let done = false;
    const swapping = (async () => {
      while (!done) {
        await rename(join(folder, "d"), join(folder, "aside"));
        await symlink(outside, join(folder, "d"));
        await rm(join(folder, "d"));
        await rename(join(folder, "aside"), join(folder, "d"));
      }
    })();
    for (let turn = 0; turn < 100; turn += 1) {
      // A refusal is as good as an answer: what must not come is what is outside.
      const found = await runtime.readFolder(folder, LIMITS).catch(() => []);
      for (const entry of found) {
        if (entry.kind === "file") expect(new TextDecoder().decode(entry.bytes)).toBe("mine");
      }
    }
    done = true;
    await swapping;
    await removeFolder(outside);
  });
});
