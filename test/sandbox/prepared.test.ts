/** The cache of prepared components: what lies on disk may be torn, old or somebody else's work. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { decode } from "../../src/core/component/index.ts";
import type { Files, SandboxComponent } from "../../src/ports/index.ts";
import { encodeFrame } from "../../src/sandbox/pipe/frames.ts";
import { assemble, componentOf } from "../support/components.ts";
import { ECHO_GUEST, TRAP_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
let original: Uint8Array;
let path: string;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true, freshCache: true });
  await box.call(await componentOf(ECHO_GUEST), "run", { n: 1 });
  const [name = ""] = await readdir(box.cacheFolder);
  path = join(box.cacheFolder, name);
  original = await readFile(path);
});
afterAll(() => box.close());

const preparations = () => box.started.filter(({ role }) => role === "prepare").length;
const change = (bytes: Uint8Array, at: number) =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

/** Each is written in the place of the prepared component. */
const FILES: Readonly<Record<string, () => Uint8Array | Promise<Uint8Array>>> = {
  "an empty file": () => new Uint8Array(0),
  "its first half": () => original.subarray(0, original.length / 2),
  "all but its last byte": () => original.subarray(0, original.length - 1),
  "a bit changed in a module": () => change(original, original.length - 10),
  "a bit changed in the plan": () => change(original, original.length - 500),
  "a bit changed in its length": () => change(original, 2),
  "another length of the plan": () =>
    rewrite((head) => ({ ...head, planBytes: Number(head["planBytes"]) + 1 })),
  "another key": () => rewrite((head) => ({ ...head, key: "0".repeat(64) })),
  "no digest": () => rewrite(({ sha256, ...head }) => head),
  "text that is no frame": () => new TextEncoder().encode("not a frame, but long enough to be one"),
  "a frame that is larger than any": () => new Uint8Array(64).fill(0xff),
};

function rewrite(head: (head: Record<string, unknown>) => object): Uint8Array {
  const length = new DataView(original.buffer, original.byteOffset).getUint32(4, true);
  const parsed: Record<string, unknown> = JSON.parse(
    new TextDecoder().decode(original.subarray(8, 8 + length)),
  );
  return encodeFrame(head(parsed), original.subarray(8 + length));
}

/** A gateway that starts anew, with what is on disk. */
async function runAnew() {
  const again = await openSandbox({ inProcess: true, cacheFolder: box.cacheFolder });
  try {
    const end = await again.call(await componentOf(ECHO_GUEST), "run", { n: 7 });
    return { end, prepared: again.started.filter(({ role }) => role === "prepare").length };
  } finally {
    await again.close();
  }
}

describe("prepare()", () => {
  it("takes a component that is prepared from the cache", async () => {
    expect(await runAnew()).toMatchObject({ end: { output: 7 }, prepared: 0 });
  });

  it.each(Object.entries(FILES))("makes it again when the cache holds %s", async (_name, make) => {
    await writeFile(path, await make());
    expect(await runAnew()).toMatchObject({ end: { output: 7 }, prepared: 1 });
    expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(original));
  });

  it("makes it again when another component's file was put in its place", async () => {
    await box.call(await componentOf(TRAP_GUEST), "run", {});
    const other = (await readdir(box.cacheFolder))
      .map((name) => join(box.cacheFolder, name))
      .find((it) => it !== path);
    await writeFile(path, await readFile(other ?? ""));
    expect(await runAnew()).toMatchObject({ end: { output: 7 }, prepared: 1 });
  });

  it("prepares once for many callers at once, and again for another memory cap", async () => {
    const component = await componentOf(ECHO_GUEST.replace('"n"', '"m"'));
    const before = preparations();
    await Promise.all(Array.from({ length: 10 }, () => box.sandbox.prepare(component, 64 << 20)));
    expect(preparations() - before).toBe(1);
    await box.sandbox.prepare(component, 32 << 20);
    expect(preparations() - before).toBe(2);
  });

  it("leaves files that only their owner's process wrote whole", async () => {
    expect((await stat(path)).size).toBe(original.length);
    expect((await readdir(box.cacheFolder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("prepare() of a component that is malformed", () => {
  /** Skips intake, which would refuse these first. */
  const unchecked = (bytes: Uint8Array<ArrayBuffer>): SandboxComponent => ({
    digest: String(bytes.length).padStart(64, "0"),
    bytes,
    imports: [],
    exports: [],
  });

  it.each([
    ["no bytes", async () => new Uint8Array(0)],
    ["text", async () => new TextEncoder().encode("hello, this is not a component")],
    ["a core module", () => assemble("(module)")],
    ["a preamble alone", async () => Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 9, 9, 9)],
    ["half a component", async () => (await assemble(ECHO_GUEST)).slice(0, 60)],
  ])("refuses %s in words", async (_name, make) => {
    const bytes = new Uint8Array(await make());
    const failure = await box.sandbox.prepare(unchecked(bytes), 64 << 20).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "component-refused", message: expect.stringMatching(/^Cannot /) });
    expect(String(failure)).not.toMatch(/node_modules|\.ts:\d|undefined/);
  });
});

describe("names that are code", () => {
  const HOSTILE = [
    "x']; globalThis.owned = 1; ['",
    'x"]; globalThis.owned = 1; ["',
    "x`]; globalThis.owned = 1; [`",
    "x\\u0027",
    "\u2028",
    "$" + "{1}",
    "*/ owned()",
  ];

  it.each(HOSTILE)("are refused by intake: %s", async (name) => {
    const bytes = await assemble(`(component
      (core module $m (func (export ${JSON.stringify(name)})))
      (core instance $i (instantiate $m))
      (func (export "run") (canon lift (core func $i ${JSON.stringify(name)}))))`);
    expect(() => decode(bytes)).toThrow(/Cannot decode/);
  });
});

describe("a sandbox that is closed while it prepares", () => {
  it("kills the preparer, says so to whoever waits, and writes nothing any more", async () => {
    const other = await openSandbox({ inProcess: true, freshCache: true });
    const preparing = other.sandbox.prepare(await componentOf(TRAP_GUEST), 64 << 20);
    const refused = expect(preparing).rejects.toMatchObject({ code: "sandbox-unavailable" });
    await expect.poll(() => other.started.filter(({ role }) => role === "prepare").length).toBe(1);
    await other.sandbox.close();
    expect(await readdir(other.cacheFolder)).toEqual([]);
    await refused;
    await expect(other.sandbox.prepare(await componentOf(ECHO_GUEST), 64 << 20)).rejects.toMatchObject({
      code: "sandbox-unavailable",
    });
    for (const { process } of other.started) await process.exited;
    await other.close();
  });

  it("waits for what is being written to the cache", async () => {
    const [arrived, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const events: string[] = [];
    const files: Files = {
      ...runtime.files,
      async write(...given) {
        arrived.resolve();
        await held.promise;
        await runtime.files.write(...given);
        events.push("written");
      },
    };
    const other = await openSandbox({ inProcess: true, freshCache: true, files });
    const preparing = other.sandbox.prepare(await componentOf(TRAP_GUEST), 64 << 20);
    await arrived.promise;
    const closed = other.sandbox.close().then(() => events.push("closed"));
    await new Promise<void>((resolve) => setImmediate(resolve));
    held.resolve();
    await closed;
    expect(events).toEqual(["written", "closed"]);
    await preparing;
    await other.close();
  });
});
