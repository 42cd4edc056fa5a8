/** Bodies that come and go in pieces, between a component of another vendor's engine and a real server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenHttp } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let server: Listener;
let call: ReturnType<typeof reachFrom>;
/** What arrived, by path. */
const seen = new Map<
  string,
  { pieces: number; bytes: number; whole: boolean; headers: object; trailers?: object }
>();

beforeAll(async () => {
  server = await listenHttp(serve);
  box = await openSandbox({ inProcess: true });
  call = reachFrom(box, await admit(await npmGuest("http")), {
    clock: runtime.clock,
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
});
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

function serve(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? "";
  const got = { pieces: 0, bytes: 0, whole: false, headers: request.headers, trailers: {} };
  seen.set(path, got);
  request.on("error", () => undefined);
  request.on("data", (chunk: Uint8Array) => {
    got.pieces += 1;
    got.bytes += chunk.length;
  });
  if (path === "/early") return void response.writeHead(413).end("too much");
  if (path === "/silent") {
    response.writeHead(200);
    response.write("begin");
    return;
  }
  if (path === "/never") return;
  request.on("end", () => {
    got.whole = true;
    got.trailers = request.trailers;
    response.writeHead(200, { trailer: "x-digest", "transfer-encoding": "chunked" });
    response.write(`got ${got.bytes}`);
    if (path === "/large") for (let n = 0; n < 32; n += 1) response.write("x".repeat(16_384));
    response.addTrailers({ "x-digest": "abc", connection: "x" });
    response.end();
  });
}

const policy = (port: number, more: object = {}) => ({
  max_duration_ms: 60_000,
  network_allowlist: [{ host: "api.test", scheme: "http", port, methods: ["GET", "POST"], paths: ["/*"] }],
  ...more,
});
const request = (path: string, plan: object, pieces: readonly string[] = [], more: object = {}) =>
  call(policy(server.port, more), "request", {
    authority: `api.test:${server.port}`,
    path,
    plan: JSON.stringify(plan),
    pieces: [...pieces],
  });

describe("a request's body", () => {
  it("leaves whole and with its length when it is finished before or soon after", async () => {
    for (const [path, bodyFirst] of [
      ["/first", true],
      ["/after", false],
    ] as const) {
      const { output } = await request(path, { post: true, bodyFirst }, ["one", "two"]);
      expect(output).toEqual({ ok: "200 5 got 6 x-digest=abc" });
      expect(seen.get(path)).toMatchObject({ bytes: 6, whole: true });
    }
    expect(seen.get("/first")?.headers).toMatchObject({ "content-length": "6" });
  });

  it("leaves in pieces when it is long, byte for byte, and is charged", async () => {
    const piece = "0123456789abcdef".repeat(256); // As much as one blocking write may have.
    const { output, events } = await request("/long", { post: true, repeat: 100 }, [piece]);
    expect(output).toEqual({ ok: "200 10 got 409600 x-digest=abc" });
    expect(seen.get("/long")).toMatchObject({ bytes: 409_600, whole: true });
    expect(seen.get("/long")?.headers).toMatchObject({ "transfer-encoding": "chunked" });
    const [event] = events;
    expect(event).toMatchObject({ effect: "allowed", result: "200" });
    expect(event?.bytes_out).toBeGreaterThan(409_600);
  });

  it("ends the run at the budget, and not at the body's end", async () => {
    const budget = {
      fuel: 2e9,
      memory_bytes: "64MiB",
      egress_bytes: "200KiB",
      requests: 5,
      output_bytes: 1000,
      log_bytes: 0,
    };
    const piece = "0123456789abcdef".repeat(256);
    const { outcome, events } = await request("/over", { post: true, repeat: 100 }, [piece], { budget });
    expect(outcome).toEqual({ kind: "exhausted", budget: "egress_bytes" });
    // The run may be over before the server has looked at what arrived.
    expect(seen.get("/over")?.whole ?? false).toBe(false);
    expect(seen.get("/over")?.bytes ?? 0).toBeLessThanOrEqual(200 * 1024);
    expect(events[0]?.bytes_out).toBeLessThanOrEqual(200 * 1024);
  });

  it("is never taken for whole when the guest drops half of it", async () => {
    const piece = "0123456789abcdef".repeat(256);
    const { output } = await request("/half", { post: true, repeat: 40, drop: true }, [piece]);
    expect(output).toMatchObject({ err: expect.any(String) });
    expect(seen.get("/half")?.whole ?? false).toBe(false);
    const unsent = await request("/unsent", { post: true, drop: true }, ["short"]);
    expect(unsent.output).toEqual({ err: "HTTP-protocol-error" });
    expect(seen.has("/unsent")).toBe(false);
  });

  it("gets an answer that comes before its end", async () => {
    const { output } = await request("/early", { post: true, early: true }, ["begun"]);
    expect(output).toMatchObject({ ok: expect.stringMatching(/^413 8 too much/) });
  });

  it.each([{ bodyFirst: true }, { bodyFirst: false }])(
    "has its trailers behind it, with %j",
    async (when) => {
      const { output } = await request("/trailers", { post: true, trailers: true, ...when }, ["x", "y"]);
      expect(output).toMatchObject({ ok: expect.stringMatching(/^200 5 got 2 x-digest=abc$/) });
      expect(seen.get("/trailers")).toMatchObject({ whole: true, trailers: { "x-sum": "1" } });
    },
  );

  it("may not have trailers where it has no byte, and says so", async () => {
    const { output } = await request("/trailers", { post: true, trailers: true }, []);
    expect(output).toEqual({ err: "HTTP-request-trailer-section-size" });
  });

  it("is cancelled by the end of a run that did not wait for it, and its event says so", async () => {
    const { outcome, output, events } = await request("/never", { forget: true });
    expect([outcome, output]).toEqual([{ kind: "completed" }, { ok: "forgotten" }]);
    expect(events).toMatchObject([{ effect: "allowed", result: "cancelled" }]);
  });
});

describe("a response's body", () => {
  it("comes in pieces, with its trailers behind it and without hop-by-hop fields", async () => {
    const { output } = await request("/large", {});
    expect(output).toMatchObject({ ok: expect.stringMatching(/^200 524293 got 0x+.* x-digest=abc$/) });
  });

  it("is given up after the silence that the guest allows", async () => {
    const started = performance.now();
    const { output, events } = await request("/silent", { betweenMs: 200 });
    expect(output).toEqual({ err: "body last-operation-failed" });
    expect(events[0]).toMatchObject({ effect: "failed", result: "connection-read-timeout" });
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it("ends with the run: a server that never answers is left at the time to live", async () => {
    const { outcome, events } = await request("/never", {}, [], { max_duration_ms: 1500 });
    expect(outcome).toMatchObject({ kind: "timed-out" });
    expect(events[0]).toMatchObject({ effect: "allowed", result: "cancelled" });
  });
});
