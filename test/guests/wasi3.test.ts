/** WASI 0.3, from a component written by hand to a real server: what is asynchronous there, and what stays as in 0.2. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenHttp } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { wasi3Guest } from "../support/wasi3-guest.ts";

let box: TestSandbox;
let server: Listener;
let call: ReturnType<typeof reachFrom>;

beforeAll(async () => {
  server = await listenHttp(serve);
  box = await openSandbox({ inProcess: true });
  call = reachFrom(box, await admit(await wasi3Guest()), {
    clock: runtime.clock,
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
});
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

function serve(request: IncomingMessage, response: ServerResponse): void {
  const pieces: Uint8Array[] = [];
  request.on("error", () => undefined);
  request.on("data", (piece: Uint8Array) => pieces.push(piece));
  if (request.url === "/never") return;
  request.on("end", () => {
    const text = new TextDecoder().decode(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
    response.writeHead(200);
    response.write(`${request.method} `);
    response.end(request.url === "/large" ? "x".repeat(10_000) : text.toUpperCase());
  });
}

const policy = (more: object = {}) => ({
  network_allowlist: [
    { host: "api.test", scheme: "http", port: server.port, methods: ["POST"], paths: ["/*"] },
  ],
  ...more,
});
const post = (path: string, body: string, more: object = {}) =>
  call(policy(more), "post", { authority: `api.test:${server.port}`, path, body });

describe("wasi:http 0.3", () => {
  it("posts a stream and reads one, within the same budgets and events as 0.2", async () => {
    const { outcome, output, events } = await post("/upper", "from a stream");
    expect({ outcome, output }).toEqual({
      outcome: { kind: "completed" },
      output: { ok: "POST FROM A STREAM" },
    });
    expect(events).toMatchObject([
      {
        import: "wasi:http/client@0.3.0#send",
        effect: "allowed",
        target: `POST http://api.test:${server.port}/upper`,
      },
    ]);
  });

  it("reads an answer of many pieces", async () => {
    const { output } = await post("/large", "");
    expect(output).toEqual({ ok: `POST ${"x".repeat(10_000)}` });
  });

  it("is denied what the policy does not name, in the interface's own word", async () => {
    const { outcome, output } = await call(policy({ network_allowlist: [] }), "post", {
      authority: "api.test",
      path: "/",
      body: "",
    });
    // 15 is `HTTP-request-denied`.
    expect({ outcome, output }).toMatchObject({
      outcome: { kind: "denied-import", import: "wasi:http/client@0.3.0#send" },
      output: { err: 15 },
    });
  });

  it("ends with its time to live where a server never answers", async () => {
    const { outcome } = await post("/never", "", { max_duration_ms: 300 });
    expect(outcome).toMatchObject({ kind: "timed-out" });
  });
});

describe("wasi:filesystem 0.3", () => {
  const keep = (path: string, filesystem: object) =>
    call(policy({ filesystem }), "keep", { path, text: "kept" });

  it("writes a file, reads it and lists it by streams", async () => {
    const { outcome, output } = await keep("a.txt", { scratch_bytes: 1_000_000 });
    expect(outcome).toEqual({ kind: "completed" });
    // Beside it is the scratch's own `tmp`.
    expect(output).toEqual({ ok: ["kept", 2] });
  });

  it("answers in cases of the interface where a path leads out", async () => {
    const { output } = await keep("../a.txt", { scratch_bytes: 1_000_000 });
    expect(output).toEqual({ err: 30 });
  });
});

describe("wasi:clocks and wasi:cli 0.3", () => {
  it("wait for two clocks at once", async () => {
    const { outcome, output } = await call(policy(), "nap", { ms: 30 });
    expect(outcome).toEqual({ kind: "completed" });
    expect(output).toBeGreaterThanOrEqual(30);
  });

  it.each([
    ["before it returns", false, 0],
    ["after it has returned", true, 7],
  ])("take what a guest writes %s", async (_when, lasting, output) => {
    const said = await call(policy(), "say", { text: "to whom it may concern", lasting });
    expect(said).toMatchObject({ outcome: { kind: "completed" }, output });
    expect(said.host.diagnostics).toMatchObject([{ stream: "stdout", text: "to whom it may concern" }]);
  });
});
