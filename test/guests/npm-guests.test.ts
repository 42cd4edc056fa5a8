/** Components as JavaScript vendors build them, with their engine's defaults and not with ours. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { HostCall, HostReply, SandboxComponent } from "../../src/ports/index.ts";
import { admit } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let web: SandboxComponent;
let bare: SandboxComponent;
let later: SandboxComponent;
let types: SandboxComponent;
beforeAll(async () => {
  const built = ["web", "bare", "later", "types"] as const;
  [web, bare, later, types] = (await Promise.all(built.map(async (name) => admit(await npmGuest(name))))) as [
    SandboxComponent,
    SandboxComponent,
    SandboxComponent,
    SandboxComponent, // As many as there are names.
  ];
  box = await openSandbox();
});
afterAll(() => box?.close());

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A server that echoes what it got, in two pieces; `denied.example` is not in the policy. */
function echoServer() {
  const pieces: Uint8Array[] = [];
  return ({ name, args, body }: HostCall): HostReply => {
    if (name === "http-client/read") {
      const piece = pieces.shift();
      return piece === undefined
        ? { kind: "ok", value: { end: true } }
        : { kind: "ok", value: { end: false }, body: piece };
    }
    if (name !== "http-client/send") return { kind: "ok", value: null };
    const { authority, method } = args as { authority: string; method: string }; // From our own executor.
    if (authority === "denied.example") return { kind: "error", error: { tag: "HTTP-request-denied" } };
    pieces.push(new TextEncoder().encode(`{"method":"${method}",`));
    pieces.push(new TextEncoder().encode(`"body":${JSON.stringify(text(body))}}`));
    return { kind: "ok", value: { status: 200, headers: [["content-type", "application/json"]], body: 1 } };
  };
}

describe("a StarlingMonkey component with every feature on", () => {
  const calls: readonly (readonly [name: string, input: JsonValue, kind: string, output: JsonValue])[] = [
    ["echo", { text: "héllo" }, "completed", "olléh"],
    ["print", { text: "hi", times: 100 }, "completed", null],
    ["encode", { text: "é" }, "completed", "w6k="],
    [
      "get",
      { url: "https://api.example/x" },
      "completed",
      { ok: '200 application/json {"method":"GET","body":""}' },
    ],
    [
      "post",
      { url: "https://api.example/x", body: "some body" },
      "completed",
      { ok: '200 2 {"method":"POST","body":"some body"}' },
    ],
    [
      "get",
      { url: "https://denied.example/" },
      "failed",
      { err: "fetch failed: NetworkError when attempting to fetch resource" },
    ],
  ];
  it.each(calls)("runs %s %j", async (name, input, kind, output) => {
    const end = await box.call(web, name, input, { reply: echoServer() });
    expect(end).toMatchObject({ outcome: { kind }, output });
  });

  it("waits for its timer without spinning", async () => {
    const end = await box.call(web, "nap", { ms: 60 });
    expect(end.outcome).toEqual({ kind: "completed" });
    expect(end.output).toBeGreaterThanOrEqual(60);
    expect(end.fuelUsed).toBeLessThan(5_000_000);
  });

  it("draws other random bytes in each run", async () => {
    const [one, two] = [await box.call(web, "random", {}), await box.call(web, "random", {})];
    expect(one.outcome).toEqual({ kind: "completed" });
    expect(one.output).not.toEqual(two.output);
  });

  it("is handed its standard output, and the reason why it crashed on standard error", async () => {
    const end = await box.call(web, "crash", {});
    expect(end.outcome).toEqual({ kind: "trapped", reason: "unreachable" });
    expect(end.host.calls.map(({ body }) => text(body)).join("")).toContain("on purpose");
  });
});

describe("a QuickJS component with its default WASI imports", () => {
  it("runs, with a clock that is right and none of the web", async () => {
    expect(await box.call(bare, "echo", { text: "héllo" })).toMatchObject({ output: "olléh" });
    expect(await box.call(bare, "globals", {})).toMatchObject({ output: [] });
    const { output } = await box.call(bare, "now", {});
    expect(Math.abs(Number(output) - Date.now() / 1000)).toBeLessThan(60);
  });
});

describe("a component whose export is an async function", () => {
  it("runs it like any other", async () => {
    expect(await box.call(later, "add", { a: 1, b: 2 })).toMatchObject({ output: 3 });
    expect(await box.call(later, "echo", { t: "x" })).toMatchObject({ output: "x" });
  });
});

describe("values of every type", () => {
  const wide = {
    ...{ a1: 255, a2: 65_535, a3: 4_294_967_295, a4: 2 ** 52, a5: -128, a6: -32_768, a7: -2_147_483_648 },
    ...{ a8: -(2 ** 52), a9: 1.5, a10: 1e300, a11: "😀", a12: "x", a13: true, a14: ["a", "b"] },
    ...{ a15: { some: null }, a16: ["q", 3], a17: ["f0", "f31"] },
    ...{ a18: { tag: "res", val: { ok: { tag: "pair", val: [1, 2.5] } } }, type: 1, constructor: "c" },
  };
  const echoes: readonly (readonly [name: string, value: JsonValue])[] = [
    ["echo-char", "😀"],
    ["echo-f32", "NaN"],
    ["echo-f64", "-Infinity"],
    ["echo-s64", "-9223372036854775808"],
    ["echo-many", ["f0", "f16", "f31"]],
    ["echo-many", []],
    ["echo-deep", { tag: "leaves", val: [{ tag: "none" }, { tag: "text", val: "t" }] }],
    ["echo-deep", { tag: "res", val: { err: ["e"] } }],
    ["echo-lists", [[[1, 2], []], []]],
    ["echo-bytes", "AAECAw=="],
    ["echo-wide", wide],
  ];
  it.each(echoes)("come back from %s", async (name, value) => {
    const input: JsonValue = name === "echo-char" ? { c: value } : { x: value };
    expect(await box.call(types, name, input)).toMatchObject({
      outcome: { kind: "completed" },
      output: value,
    });
  });

  it("reach a function of 32 parameters", async () => {
    const params = Array.from(
      { length: 32 },
      (_, index) => [`p${index + 1}`, index === 16 ? "é" : index] as const,
    );
    const { output } = await box.call(types, "many-params", Object.fromEntries(params));
    expect(output).toBe(params.map(([, value]) => value).join(","));
  });

  const results: readonly (readonly [name: string, ok: boolean, output: JsonValue])[] = [
    ["bare", true, { ok: null }],
    ["bare", false, { err: null }],
    ["ok-only", true, { ok: 7 }],
    ["ok-only", false, { err: null }],
    ["err-only", true, { ok: null }],
    ["err-only", false, { err: 9 }],
  ];
  it.each(results)("%s(%s) is a result without all of its payloads", async (name, ok, output) => {
    expect(await box.call(types, name, { ok })).toMatchObject({ output });
  });

  it("come from exports that are called like words of JavaScript", async () => {
    // `then` on the exports themselves: whoever awaited those would call it and wait for ever.
    expect(await box.call(types, "then", {})).toMatchObject({ output: 5 });
    expect(await box.call(types, "delete", {})).toMatchObject({ output: 2 });
  });
});
