/** One suite for the port `Runtime`, run on whichever runtime this is. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { toHex } from "../../src/core/digest.ts";
import { encodeFrame, readFrames } from "../../src/sandbox/pipe/frames.ts";
import { removeFolder } from "../support/folder.ts";
import { alive } from "../support/processes.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-runtime-"));
});
afterAll(() => removeFolder(folder));

describe("runtime", () => {
  it("is the one that runs: a resolver that took the other half would pass every other test", () => {
    const deno: unknown = Reflect.get(globalThis, "Deno");
    expect(runtime.name).toBe(deno === undefined ? "node" : "deno");
    expect(runtime.version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("files", () => {
  it("write whole or not at all, with the mode that was asked for", async () => {
    const path = join(folder, "new", "folder", "key");
    await runtime.files.write(path, "one", { mode: 0o600 });
    expect(await runtime.files.mode(path)).toBe(0o600);
    await runtime.files.write(path, Uint8Array.of(1, 2, 3), { mode: 0o600 });
    expect(await runtime.files.read(path)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await runtime.files.mode(path)).toBe(0o600);
    expect(await readdir(join(folder, "new", "folder"))).toEqual(["key"]);
  });

  it("show every reader an old or a new file while they are written", async () => {
    const path = join(folder, "contended");
    const contents = ["a", "b", "c"].map((letter) => letter.repeat(50_000));
    await runtime.files.write(path, contents[0] ?? "");
    const writers = contents.map(async (content) => {
      for (let index = 0; index < 5; index += 1) await runtime.files.write(path, content);
    });
    const seen = new Set<string>();
    for (let index = 0; index < 50; index += 1)
      seen.add(new TextDecoder().decode(await runtime.files.read(path)));
    await Promise.all(writers);
    expect([...seen].filter((text) => !contents.includes(text))).toEqual([]);
  });

  it("leave no temporary file when they can not write", async () => {
    await runtime.files.write(join(folder, "taken", "inner"), "x");
    await expect(runtime.files.write(join(folder, "taken"), "x")).rejects.toThrow();
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("say undefined of what is not there, and list nothing in it", async () => {
    expect(await runtime.files.read(join(folder, "absent"))).toBeUndefined();
    expect(await runtime.files.mode(join(folder, "absent"))).toBeUndefined();
    expect(await runtime.files.list(join(folder, "absent"))).toEqual([]);
  });
});

describe("openSqlite()", () => {
  it("opens a database that keeps what it was given", () => {
    const path = join(folder, "data.db");
    const first = runtime.openSqlite(path);
    first.exec("create table t (a integer, b text, c blob)");
    expect(first.prepare("insert into t values (?, ?, ?)").run([1n, "x", Uint8Array.of(7)]).changes).toBe(1);
    first.close();
    const second = runtime.openSqlite(path);
    const statement = second.prepare("select * from t");
    expect(statement.reader).toBe(true);
    expect(statement.all([])).toMatchObject([{ a: 1, b: "x", c: Uint8Array.of(7) }]);
    expect(() => second.prepare("select ?").all([{}])).toThrow(TypeError);
    second.close();
  });
});

describe("serve()", () => {
  it("answers, and closes only when requests under way are done", async () => {
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const server = await runtime.serve(
      async () => {
        begun.resolve();
        await release.promise;
        return new Response("late, but whole");
      },
      { hostname: "127.0.0.1", port: 0 },
    );
    expect(server.port).toBeGreaterThan(0);
    const answer = fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: "close" } });
    await begun.promise;
    let closed = false;
    const closing = server.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(closed).toBe(false);
    release.resolve();
    expect(await (await answer).text()).toBe("late, but whole");
    await closing;
    await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
  });

  it("does not wait longer than it may for a request that never becomes whole", async () => {
    const begun = Promise.withResolvers<void>();
    const server = await runtime.serve(
      async (request) => {
        begun.resolve();
        return new Response(await request.text().catch(() => "cut off"));
      },
      { hostname: "127.0.0.1", port: 0 },
    );
    const client = createConnection({ host: "127.0.0.1", port: server.port });
    client.on("error", () => undefined);
    client.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nno more");
    await begun.promise;
    await server.close(10);
    client.destroy();
  });
});

describe("entropy", () => {
  it("gives as many bytes as were asked for, and none of them twice", () => {
    const seen = new Set<string>();
    for (let turn = 0; turn < 300; turn++) {
      for (const length of [8, 16, 32, 512, 513, 4096]) {
        const bytes = runtime.entropy.bytes(length);
        expect(bytes).toHaveLength(length);
        // Eight random bytes that are all zero were not drawn.
        for (let at = 0; at + 8 <= length; at += 8) seen.add(toHex(bytes.subarray(at, at + 8)));
      }
    }
    const draws = 300 * ((8 + 16 + 32 + 512 + 512 + 4096) / 8);
    expect(seen.size).toBe(draws);
    expect(seen.has("0".repeat(16))).toBe(false);
    expect(runtime.entropy.bytes(0)).toHaveLength(0);
  });

  it("keeps nothing of what it gave", () => {
    const first = runtime.entropy.bytes(16);
    const copy = first.slice();
    expect(first.buffer.byteLength).toBe(16);
    first.fill(0);
    expect(runtime.entropy.bytes(16)).not.toEqual(copy);
  });
});

describe("clock", () => {
  it("calls once, after the time, unless it was cancelled", async () => {
    const called: string[] = [];
    const started = runtime.clock.monotonicMs();
    runtime.clock.after(30, () => called.push("kept"));
    const cancel = runtime.clock.after(30, () => called.push("cancelled"));
    cancel();
    cancel();
    await new Promise((resolve) => setTimeout(resolve, 90));
    expect(called).toEqual(["kept"]);
    expect(runtime.clock.monotonicMs() - started).toBeGreaterThanOrEqual(89);
    expect(Number.isInteger(runtime.clock.nowMs())).toBe(true);
  });

  it("keeps no process alive by what it still has to call", async () => {
    const project = fileURLToPath(new URL("../..", import.meta.url));
    const file = runtime.name === "deno" ? "deno.ts" : "node.ts";
    const code = `import { runtime } from ${JSON.stringify(`file://${project}src/runtime/${file}`)};
      runtime.clock.after(60_000, () => undefined);`;
    const script = join(folder, "after.ts");
    await runtime.files.write(script, code);
    const program = runtime.name === "deno" ? "deno/deno" : "node/bin/node";
    const args = runtime.name === "deno" ? ["run", "-A", `--config=${project}deno.json`, script] : [script];
    const child = spawn(join(project, "node_modules", program), args, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let diagnostics = "";
    child.stderr.on("data", (chunk) => {
      diagnostics += chunk;
    });
    const code_ = await new Promise((resolve) => child.once("close", resolve));
    expect(diagnostics).toBe("");
    expect(code_).toBe(0);
  });
});

describe("spawnExecutor()", () => {
  it("starts a process without an environment, which greets and can be killed twice", async () => {
    const child = runtime.spawnExecutor("run");
    let greeting: unknown;
    for await (const frame of readFrames(child.output, 1 << 20)) {
      greeting = frame.head;
      break;
    }
    expect(greeting).toMatchObject({
      type: "ready",
      runtime: `${runtime.name} ${runtime.version}`,
      verified: expect.arrayContaining([
        "no-environment",
        "no-network",
        "no-processes",
        "no-read",
        "no-signals",
        "no-write",
      ]),
    });
    expect((await runtime.files.read(`/proc/${child.pid}/environ`))?.length ?? 0).toBe(0);
    child.kill();
    child.kill();
    await child.exited;
    child.kill();
    expect(alive([child.pid])).toEqual([]);
    await expect(child.write(encodeFrame({ type: "run" }))).rejects.toThrow();
  });

  it("leaves no descriptor open of a process that is gone", async () => {
    const open = async () => (await readdir("/proc/self/fd")).length;
    const live = async () => {
      const child = runtime.spawnExecutor("run");
      for await (const _ of readFrames(child.output, 1 << 20)) break;
      child.kill();
      await child.exited;
    };
    await live();
    const before = await open();
    for (let n = 0; n < 6; n += 1) await live();
    // What is closed is closed a moment later.
    await expect.poll(open).toBeLessThan(before + 3);
  });

  it("starts a process that ends by itself when nobody speaks to it any more", async () => {
    const child = runtime.spawnExecutor("prepare");
    await child.write(
      encodeFrame({ type: "prepare", asyncImports: [], asyncExports: [], maxMemoryBytes: 0 }),
    );
    for await (const frame of readFrames(child.output, 1 << 20)) {
      expect(frame.head).toMatchObject({ type: "refused" });
      break;
    }
    expect((await child.exited).diagnostics).toBe("");
  });
});

describe("files.create()", () => {
  it("makes what is not there, once, whoever else tries, and leaves nothing beside it", async () => {
    const place = join(folder, "made", "key");
    const options = { mode: 0o600 };
    const tried = Array.from({ length: 12 }, (_, n) => runtime.files.create(place, `of ${n}`, options));
    const made = await Promise.all(tried);
    expect(made.filter(Boolean)).toHaveLength(1);
    const text = `of ${made.indexOf(true)}`;
    expect(new TextDecoder().decode(await runtime.files.read(place))).toBe(text);
    expect(await runtime.files.mode(place)).toBe(0o600);
    expect(await runtime.files.create(place, "later", options)).toBe(false);
    expect(new TextDecoder().decode(await runtime.files.read(place))).toBe(text);
    expect(await runtime.files.list(join(folder, "made"))).toEqual([{ name: "key", isFolder: false }]);
    await expect(runtime.files.create("/proc/nope/a", "x", options)).rejects.toThrow();
  });
});

describe("files.write()", () => {
  it("gives up on folders that can not be made, instead of trying for ever", async () => {
    // /proc says of what it will not make that it is not there.
    for (const path of ["/proc/nope/a/b", "/sys/nope/a", "/dev/null/a"]) {
      await expect(runtime.files.write(path, "")).rejects.toThrow();
      await expect(runtime.openAppend(path)).rejects.toThrow();
    }
  });
});
