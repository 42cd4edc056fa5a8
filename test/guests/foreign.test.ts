/**
 * Components of other languages, as their vendors' toolchains make them: see `build.ts`. Those that are not built
 * are skipped, and the test's name says so.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { HostCall, HostReply } from "../../src/ports/index.ts";
import { admit } from "../support/components.ts";
import { type CallOptions, openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { GUESTS } from "./build.ts";

const folder = process.env["WRIT_GUESTS"] ?? GUESTS;
const LIMITS: CallOptions = { fuel: 2_000_000_000, memoryBytes: 128 * 1024 * 1024 };

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox();
});
afterAll(() => box.close());

const path = (guest: string) => join(folder, `${guest}.wasm`);

async function call(guest: string, name: string, input: JsonValue, reply?: CallOptions["reply"]) {
  const component = await admit(new Uint8Array(await readFile(path(guest))));
  const end = await box.call(component, name, input, { ...LIMITS, ...(reply ? { reply } : {}) });
  const printed = end.host.calls
    .filter((it) => it.name === "stdio/write")
    .map(({ body }) => new TextDecoder().decode(body))
    .join("");
  return { ...end, printed };
}

/** Runs a group only when its guest is built. */
function describeGuest(guest: string, body: () => void): void {
  if (existsSync(path(guest))) describe(guest, body);
  else describe.skip(`${guest} (not built: node test/guests/build.ts)`, body);
}

for (const guest of ["rust", "python"]) {
  describeGuest(guest, () => {
    const calls: readonly (readonly [
      name: string,
      input: JsonValue,
      kind: string,
      output: JsonValue | undefined,
    ])[] = [
      ["echo", { text: "héllo" }, "completed", "olléh"],
      ["sum", { numbers: [1, 2, 4_294_967_295] }, "completed", 4_294_967_298],
      ["environment", {}, "completed", []],
      ["grow", { bytes: 10_000_000 }, "completed", 10_000_000],
      // What its allocator makes of the refusal is a trap; why there was one is known all the same.
      ["grow", { bytes: 500_000_000 }, "exhausted", undefined],
      ["crash", {}, "trapped", undefined],
      ["quit", { code: 0 }, "trapped", undefined],
    ];
    it.each(calls)("%s(%j) is %s", async (name, input, kind, output) => {
      const end = await call(guest, name, input);
      expect(end.outcome.kind).toBe(kind);
      expect(end.output).toEqual(output);
    });

    it("finds no file, whatever the path", async () => {
      const end = await call(guest, "read-file", { path: "/etc/passwd" });
      expect(end).toMatchObject({
        outcome: { kind: "failed" },
        output: { err: expect.stringMatching(/No such file/) },
      });
    });

    it("is handed all that it prints", async () => {
      const { outcome, printed } = await call(guest, "print", { text: "hi", times: 500 });
      expect(outcome).toEqual({ kind: "completed" });
      expect(printed).toBe(`${"hi\n".repeat(500)}done\n`);
    });

    it("sleeps, and knows the time", async () => {
      expect((await call(guest, "nap", { ms: 50 })).output).toBeGreaterThanOrEqual(50);
      const { output } = await call(guest, "now", {});
      expect(Math.abs(Number(output) - Date.now() / 1000)).toBeLessThan(60);
    });
  });
}

describeGuest("rust-command", () => {
  it("is told no by sockets and files in words that it understands", async () => {
    const denied: CallOptions["reply"] = ({ name }) =>
      name.startsWith("sockets/") ? { kind: "error", error: "access-denied" } : { kind: "ok", value: null };
    const { outcome, printed } = await call("rust-command", "run", {}, denied);
    expect(outcome).toEqual({ kind: "completed" });
    for (const what of ["tcp", "dns", "udp", "listen"])
      expect(printed).toContain(`${what}: Err("Permission denied`);
    expect(printed).toContain('write: Err("');
    expect(printed).toContain("stdin: Ok(0)");
  });
});

describeGuest("rust-http", () => {
  const reply = ({ name, args }: HostCall): HostReply => {
    if (name === "http-client/read") return { kind: "ok", value: { end: true } };
    if (JSON.stringify(args).includes("denied.example"))
      return { kind: "error", error: { tag: "HTTP-request-denied" } };
    return { kind: "ok", value: { status: 204, headers: [], body: 1 } };
  };

  it("sends a request with its body, headers and timeout", async () => {
    const { output, host } = await call(
      "rust-http",
      "post",
      { url: "https://api.example/p", body: "five!" },
      reply,
    );
    expect(output).toEqual({ ok: "204 " });
    expect(host.calls[0]?.args).toMatchObject({
      method: "POST",
      headers: [["x-a", "b"]],
      connectTimeoutMs: 2000,
    });
    expect(host.calls[0]?.body.length).toBe(5);
  });

  it("learns of a denial in the words of wasi:http", async () => {
    const { output } = await call("rust-http", "post", { url: "https://denied.example/", body: "" }, reply);
    expect(output).toEqual({ err: "ErrorCode::HttpRequestDenied" });
  });
});

describeGuest("go", () => {
  it("runs its main function with goroutines, timers and no file", async () => {
    const { outcome, printed } = await call("go", "run", {});
    expect(outcome).toEqual({ kind: "completed" });
    expect(printed).toBe("hello from go true true 0 0\nslept true\nopen /etc/passwd: Bad file number\n42\n");
  });
});

describeGuest("go-reactor", () => {
  it("starts its runtime while it is instantiated, then answers", async () => {
    expect((await call("go-reactor", "goroutines", { count: 1000 })).output).toBe(499_500);
    expect((await call("go-reactor", "nap", { ms: 30 })).output).toBeGreaterThanOrEqual(30);
  });
});

describeGuest("c", () => {
  it("completes with what libc makes of a world without files", async () => {
    const { outcome, printed } = await call("c", "run", {});
    expect(outcome).toEqual({ kind: "completed" });
    expect(printed).toContain("fopen: No such file or directory");
    expect(printed).toContain("sum: 20971520");
    expect(printed).toContain("line 2999 of");
  });
});

describeGuest("c-failing", () => {
  it("fails with its exit code", async () => {
    expect((await call("c-failing", "run", {})).outcome).toEqual({ kind: "failed", error: null });
  });
});

describeGuest("c-reactor", () => {
  it("runs its constructors first", async () => {
    expect((await call("c-reactor", "greet", { name: "vendor" })).output).toBe("hello vendor, 42");
  });

  it("is stopped at the call depth limit", async () => {
    const { outcome } = await call("c-reactor", "recurse", { n: 1_000_000 });
    expect(outcome).toEqual({ kind: "exhausted", budget: "call_depth" });
  });
});
