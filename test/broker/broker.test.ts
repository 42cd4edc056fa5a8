/** The broker against a lying executor and a flooding guest. */
import { afterEach, describe, expect, it } from "vitest";
import { createBroker } from "../../src/broker/index.ts";
import { sha256Hex } from "../../src/core/digest.ts";
import type { JsonValue } from "../../src/core/policy/types.ts";
import {
  BUDGET,
  bodyOf,
  call,
  clock,
  closeListeners,
  get,
  listenTcp,
  openRun,
  readAll,
  rule,
  send,
  sendOk,
} from "./support.ts";

afterEach(closeListeners);

const PROTOCOL = { kind: "stop", outcome: { kind: "revoked", reason: "protocol" } };
const bytes = (text: string) => new TextEncoder().encode(text);

/** Calls that our executor never makes. */
const LIES: readonly (readonly [string, JsonValue])[] = [
  ["no-such/call", {}],
  ["", {}],
  ["constructor", {}],
  ["__proto__", {}],
  ["toString", {}],
  ["http-client/send", null],
  ["http-client/send", []],
  ["http-client/send", "GET /"],
  ["http-client/send", {}],
  ["http-client/send", { ...get(80), extra: 1 }],
  ["http-client/send", { ...get(80), method: 1 }],
  ["http-client/send", { ...get(80), authority: null }],
  ["http-client/send", { ...get(80), authority: { toString: "x" } }],
  ["http-client/send", { ...get(80), headers: {} }],
  ["http-client/send", { ...get(80), headers: [["a"]] }],
  ["http-client/send", { ...get(80), headers: [["a", "b", "c"]] }],
  ["http-client/send", { ...get(80), headers: [["a", 1]] }],
  ["http-client/send", { ...get(80), connectTimeoutMs: -1 }],
  ["http-client/send", { ...get(80), firstByteTimeoutMs: "1" }],
  ["http-client/read", { handle: 1, maxBytes: 1 }],
  ["http-client/read", { handle: 0, maxBytes: 1 }],
  ["http-client/read", { handle: -1, maxBytes: 1 }],
  ["http-client/read", { handle: 1.5, maxBytes: 1 }],
  ["http-client/read", { handle: "1", maxBytes: 1 }],
  ["http-client/read", { handle: 1, maxBytes: 0 }],
  ["http-client/read", { handle: 1 }],
  ["http-client/close", { handle: 1 }],
  ["http-client/close", { handle: null }],
  ["log/write", { level: "fatal", message: "", fields: [] }],
  ["log/write", { level: "info", message: 1, fields: [] }],
  ["log/write", { level: "info", message: "", fields: [["a"]] }],
  ["stdio/write", { stream: "stdin" }],
  ["stdio/write", { stream: "__proto__" }],
  ["stdio/write", {}],
  ["secrets/open", {}],
  ["secrets/open", { name: 1 }],
  ["refused/called", { import: "" }],
  ["refused/called", { import: "a b" }],
  ["refused/called", { import: "a\nb" }],
  ["refused/called", { import: "a".repeat(201) }],
];

describe("RunHost.call() and a lying executor", () => {
  it.each(LIES)("ends the run at %s %j, for good", async (name, args) => {
    const { host } = openRun({
      grants: [{ kind: "log" }, { kind: "stdio" }, { kind: "http-client", rules: [] }],
    });
    expect(await call(host, name, args)).toEqual(PROTOCOL);
    expect(await call(host, "stdio/write", { stream: "stdout" }, bytes("x"))).toEqual(PROTOCOL);
    expect(host.usage).toEqual({ egress_bytes: 0, requests: 0, log_bytes: 0 });
  });

  it("takes no handle of another run", async () => {
    const server = await listenTcp((socket) =>
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
    );
    const { host, another } = openRun({ rules: [rule("api.test", server.port)] });
    const { body } = await sendOk(host, get(server.port));
    const other = another();
    expect(await call(other, "http-client/read", { handle: body, maxBytes: 9 })).toEqual(PROTOCOL);
    expect(await readAll(host, body)).toMatchObject({
      length: 2,
      last: { kind: "ok", value: { end: true } },
    });
  });

  it("takes a closed handle for a forgery, and an ended one for ended", async () => {
    const server = await listenTcp((socket) =>
      socket.on("data", () => socket.end("HTTP/1.1 204 No Content\r\n\r\n")),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const { body } = await sendOk(host, get(server.port));
    for (const _ of [1, 2]) {
      const reply = await call(host, "http-client/read", { handle: body, maxBytes: 9 });
      expect(reply).toEqual({ kind: "ok", value: { end: true } });
    }
    expect(await call(host, "http-client/close", { handle: body })).toEqual({ kind: "ok", value: null });
    expect(await call(host, "http-client/read", { handle: body, maxBytes: 9 })).toEqual(PROTOCOL);
  });

  it("serves reads of one body one after the other, at most 256 KiB each, and counts each byte once", async () => {
    const size = 3_000_000;
    // Many chunks to a pull, so that the parser is paused within one and hands back the rest.
    const chunk = `3e8\r\n${"x".repeat(1000)}\r\n`;
    const response = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(size / 1000)}0\r\n\r\n`;
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(response)));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const { body } = await sendOk(host, get(server.port));
    // Long enough for the body's buffer to fill up.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => call(host, "http-client/read", { handle: body, maxBytes: 10_000_000 })),
    );
    const lengths = replies.map((reply) => bodyOf(reply).length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(262_144);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
    const { length } = await readAll(host, body, 1000);
    expect(lengths.reduce((sum, part) => sum + part, 0) + length).toBe(size);
    expect(host.events[0]?.bytes_in).toBe(response.length);
  });

  it("revokes the run when the broker itself fails, and says so aloud", async () => {
    let readings = 0;
    const monotonicMs = () => {
      readings += 1;
      if (readings > 1) throw new RangeError("broken clock");
      return 0;
    };
    const host = createBroker({
      clock: { ...clock, monotonicMs },
      profiles: new Map(),
      resolver: { resolve: async () => [] },
    }).openRun({ grants: [], budget: BUDGET, startedAtMs: Date.now() });
    await expect(send(host, get(80))).rejects.toThrow("broken clock");
    expect(await send(host, get(80))).toEqual({
      kind: "stop",
      outcome: { kind: "revoked", reason: "broker-fault" },
    });
  });
});

describe("RunHost and its end", () => {
  it("answers every call after close() with the same stop, and close() can be repeated", async () => {
    const { host } = openRun({ grants: [{ kind: "stdio" }] });
    await call(host, "stdio/write", { stream: "stdout" }, bytes("hello"));
    host.close();
    const { events } = host;
    host.close();
    expect(host.events).toBe(events);
    expect(await call(host, "stdio/write", { stream: "stdout" }, bytes("x"))).toEqual({
      kind: "stop",
      outcome: { kind: "revoked", reason: "closed" },
    });
    expect(host.usage.log_bytes).toBe(5);
  });

  it("numbers events without gaps and counts time from the run's start", async () => {
    const host = createBroker({ clock, profiles: new Map(), resolver: { resolve: async () => [] } }).openRun({
      grants: [],
      budget: BUDGET,
      startedAtMs: Date.now() - 5000,
    });
    for (let turn = 0; turn < 20; turn += 1) await send(host, get(80));
    host.close();
    expect(host.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    for (const { at_ms } of host.events) {
      expect(Number.isInteger(at_ms)).toBe(true);
      expect(at_ms).toBeGreaterThanOrEqual(4990);
      expect(at_ms).toBeLessThan(10_000);
    }
    expect(Object.isFrozen(host.events[0])).toBe(true);
  });

  it("bounds the events of a run", async () => {
    const { host } = openRun({ limits: { events: 10 } });
    for (let turn = 0; turn < 10; turn += 1)
      expect(await send(host, get(80))).toMatchObject({ kind: "error" });
    const stop = { kind: "stop", outcome: { kind: "exhausted", budget: "host_calls" } };
    expect(await send(host, get(80))).toEqual(stop);
    expect(await send(host, get(80))).toEqual(stop);
    host.close();
    expect(host.events).toHaveLength(10);
  });

  it("bounds the calls of a run", async () => {
    const { host } = openRun({ grants: [{ kind: "stdio" }], limits: { calls: 3 } });
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await call(host, "stdio/write", { stream: "stdout" })).toMatchObject({ kind: "ok" });
    }
    expect(await call(host, "stdio/write", { stream: "stdout" })).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "host_calls" },
    });
  });
});

describe("log/write and stdio/write", () => {
  const grants = [{ kind: "log" }, { kind: "stdio" }] as const;

  it("end the run at the line for which there is no room, however few bytes it has", async () => {
    const { host } = openRun({ grants: [{ kind: "stdio" }], budget: { log_bytes: 20_000 } });
    const lines = new TextEncoder().encode("\n".repeat(10_000));
    expect(await call(host, "stdio/write", { stream: "stdout" }, lines)).toMatchObject({ kind: "ok" });
    expect(await call(host, "stdio/write", { stream: "stdout" }, lines.subarray(0, 1))).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "log_lines" },
    });
  });

  it("share one budget; spending it stops the run, and what fitted is kept", async () => {
    const { host } = openRun({ grants, budget: { log_bytes: 10 } });
    expect(await call(host, "log/write", { level: "info", message: "four", fields: [] })).toEqual({
      kind: "ok",
      value: null,
    });
    const stop = { kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } };
    expect(await call(host, "stdio/write", { stream: "stderr" }, bytes("seven77"))).toEqual(stop);
    expect(await call(host, "log/write", { level: "info", message: "", fields: [] })).toEqual(stop);
    expect(host.usage.log_bytes).toBe(10);
    expect(host.diagnostics).toEqual([
      { stream: "log", text: "info four" },
      { stream: "stderr", text: "seven7" },
    ]);
  });

  it("charges UTF-8 bytes of the message and of every field", async () => {
    const { host } = openRun({ grants });
    await call(host, "log/write", {
      level: "warn",
      message: "é",
      fields: [
        ["a", "€"],
        ["a", "\u{1f600}"],
      ],
    });
    expect(host.usage.log_bytes).toBe(2 + 1 + 3 + 1 + 4);
  });

  it("make control characters visible, and keep lines whole over pieces", async () => {
    const { host } = openRun({ grants });
    await call(host, "log/write", {
      level: "info",
      message: "a\nERROR forged\u001b[2J",
      fields: [["k", "\u202e\u2028\u0085"]],
    });
    const text = bytes("1 \u001b]0;x\u0007\r\n2 é end\nrest");
    for (const byte of text) await call(host, "stdio/write", { stream: "stdout" }, new Uint8Array([byte]));
    await call(host, "stdio/write", { stream: "stdout" }, new Uint8Array([0xff, 0xfe]));
    expect(host.diagnostics.map((line) => line.text)).toEqual([
      "info a\\u{a}ERROR forged\\u{1b}[2J k=\\u{202e}\\u{2028}\\u{85}",
      "1 \\u{1b}]0;x\\u{7}\\u{d}",
      "2 é end",
      "rest\ufffd\ufffd",
    ]);
  });

  it("leave one event per stream at the end, however often they were called", async () => {
    const { host } = openRun({ grants });
    for (let turn = 0; turn < 50; turn += 1) {
      await call(host, "log/write", { level: "info", message: "x", fields: [] });
      await call(host, "stdio/write", { stream: "stdout" }, bytes("y\n"));
    }
    expect(host.events).toEqual([]);
    host.close();
    const digest = (line: string) => sha256Hex(Array<string>(50).fill(line).join("\n"));
    expect(host.events).toMatchObject([
      {
        seq: 0,
        import: "writ:host/log#write",
        effect: "allowed",
        bytes_out: 50,
        result: `50 entries, sha256 ${digest("info x")}`,
      },
      {
        seq: 1,
        import: "wasi:cli/stdout",
        effect: "allowed",
        bytes_out: 100,
        result: `50 writes, sha256 ${digest("y")}`,
      },
    ]);
  });

  it("are denied without a grant", async () => {
    const { host } = openRun({ grants: [] });
    expect(await call(host, "stdio/write", { stream: "stdout" }, bytes("x"))).toEqual({
      kind: "error",
      error: { tag: "closed" },
    });
    expect(await call(host, "log/write", { level: "info", message: "x", fields: [] })).toMatchObject({
      kind: "error",
    });
    expect(host.events).toMatchObject([
      { effect: "denied", clause: "stdio" },
      { effect: "denied", clause: "log" },
    ]);
    expect(host.usage.log_bytes).toBe(0);
    expect(host.diagnostics).toEqual([]);
  });
});

describe("refused/called", () => {
  it("leaves one denied event per import, with a count", async () => {
    const { host } = openRun();
    const open = "wasi:filesystem/types@0.2.12#[method]descriptor.open-at";
    for (const name of [open, open, "wasi:sockets/tcp#x", open])
      await call(host, "refused/called", { import: name });
    expect(host.events).toMatchObject([
      { seq: 0, import: open, effect: "denied", result: "refused 3 times" },
      { seq: 1, import: "wasi:sockets/tcp#x", effect: "denied", result: "refused" },
    ]);
    expect(host.denial).toEqual({ import: open, target: "" });
  });
});

describe("createBroker()", () => {
  it.each(["127.0.0.1", "localhost/8", "10.0.0.1/8"])("refuses the address block %j", (cidr) => {
    const options = { clock, profiles: new Map(), resolver: { resolve: async () => [] } };
    expect(() => createBroker({ ...options, egress: { allowAddresses: [cidr] } })).toThrow(RangeError);
  });
});
