/**
 * HTTP and sockets of components of other languages, made by their vendors' toolchains: real requests to a server on
 * loopback, through a real broker, under a policy. Those that are not built are skipped, and the test's name says so.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenHttp, listenTcp } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { type Reached, reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { GUESTS } from "./build.ts";

const folder = process.env["WRIT_GUESTS"] ?? GUESTS;
const LARGE = "x".repeat(300_000);

let box: TestSandbox;
let http: Listener;
let tcp: Listener;
beforeAll(async () => {
  box = await openSandbox();
  http = await listenHttp((request, response) => {
    response.setHeader("x-asked", request.method ?? "");
    response.end(
      request.url === "/large"
        ? LARGE
        : `${request.method} ${request.headers["x-by"] ?? request.headers["x-a"]}`,
    );
  });
  tcp = await listenTcp((socket) => {
    let heard = "";
    socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
    socket.on("end", () => socket.end(`you said ${heard}`));
  });
});
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

const path = (guest: string) => join(folder, `${guest}.wasm`);
const LIMITS = {
  max_duration_ms: 60_000,
  budget: {
    ...{ fuel: 5e9, memory_bytes: "256MiB", egress_bytes: "4MiB" },
    ...{ requests: 20, output_bytes: "1MiB", log_bytes: "64KiB" },
  },
};

/** Runs a group only when its guest is built. @param body is given a way to call it under a policy */
function describeGuest(
  guest: string,
  body: (
    call: (policy: object, name: string, input: Record<string, string | number>) => Promise<Reached>,
  ) => void,
): void {
  let made: ReturnType<typeof reachFrom> | undefined;
  const call: Parameters<typeof body>[0] = async (policy, name, input) => {
    made ??= reachFrom(box, await admit(new Uint8Array(await readFile(path(guest)))), {
      clock: runtime.clock,
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    return made({ ...LIMITS, ...policy }, name, input);
  };
  if (existsSync(path(guest))) describe(guest, () => body(call));
  else describe.skip(`${guest} (not built: node test/guests/build.ts)`, () => body(call));
}

const url = (where = "/") => `http://api.test:${http.port}${where}`;
const allowed = () => ({
  network_allowlist: [
    { host: "api.test", scheme: "http", port: http.port, methods: ["GET", "POST"], paths: ["/*"] },
  ],
});
const open = () => ({
  sockets: [
    { host: "api.test", port: http.port },
    { host: "api.test", port: tcp.port },
  ],
});

/** A client over wasi:http: what its policy names is answered, and nothing else is. */
function speaksHttp(
  call: Parameters<Parameters<typeof describeGuest>[1]>[0],
  name: string,
  more: Record<string, string>,
  says: string,
  denied: string,
): void {
  it("asks what its policy names, and hands on the answer", async () => {
    const { output, events } = await call(allowed(), name, { url: url(), ...more });
    expect(output).toEqual({ ok: `200 ${says}` });
    expect(events).toMatchObject([{ effect: "allowed", clause: "network_allowlist[0]", result: "200" }]);
  });

  it("reads a long answer to its end", async () => {
    const { output } = await call(allowed(), name, { url: url("/large"), ...more });
    expect(output).toEqual({ ok: `200 ${LARGE}` });
  });

  it("is told no in words of its own language, and the evidence says what would allow it", async () => {
    const { outcome, output, events } = await call({}, name, { url: url(), ...more });
    expect(outcome.kind).toBe("denied-import");
    expect(output).toEqual({ err: expect.stringContaining(denied) });
    expect(events).toMatchObject([
      { effect: "denied", change: expect.stringMatching(/^add to network_allowlist: \{ host: "api.test"/) },
    ]);
  });
}

/** A client over wasi:sockets. */
function speaksTcp(
  call: Parameters<Parameters<typeof describeGuest>[1]>[0],
  get: string,
  says: string,
  denied: RegExp,
): void {
  it("says something by TCP, and hears the answer", async () => {
    const { output, events } = await call(open(), "tcp", { host: "api.test", port: tcp.port, text: "hello" });
    expect(output).toEqual({ ok: `127.0.0.1:${tcp.port} you said hello` });
    expect(events.filter(({ import: name }) => name.includes("tcp#"))).toMatchObject([
      {
        effect: "allowed",
        target: `tcp://api.test:${tcp.port}`,
        clause: "sockets[1]",
        bytes_out: 5,
        bytes_in: 14,
      },
    ]);
  });

  it("asks by an HTTP client that knows nothing of WASI", async () => {
    expect((await call(open(), get, { url: url() })).output).toEqual({ ok: `200 ${says}` });
    expect((await call(open(), get, { url: url("/large") })).output).toEqual({ ok: `200 ${LARGE}` });
  });

  it("is told no in words of its own language, and the evidence says what would allow it", async () => {
    const { output, events } = await call({}, "tcp", { host: "api.test", port: tcp.port, text: "hello" });
    expect(output).toEqual({ err: expect.stringMatching(denied) });
    expect(events).toMatchObject([
      { effect: "denied", change: 'add to sockets: { host: "api.test", port: "<its port>" }' },
    ]);
    const other = { sockets: [{ host: "api.test", port: 1 }] };
    const refused = await call(other, "tcp", { host: "api.test", port: tcp.port, text: "hello" });
    expect(refused.output).toEqual({ err: expect.stringMatching(denied) });
    expect(refused.events.at(-1)).toMatchObject({
      clause: "sockets[0].port",
      change: `add to sockets: { host: "api.test", port: ${tcp.port} }`,
    });
  });
}

describeGuest("rust-http", (call) => {
  speaksHttp(call, "post", { body: "five!" }, "POST b", "HttpRequestDenied");
});

describeGuest("rust-net", (call) => {
  speaksTcp(call, "get", "GET ureq", /denied|name|address/i);
});

describeGuest("go-http", (call) => {
  speaksHttp(call, "request", { body: "five!" }, "POST net/http", "HTTP-request-denied");
});

describeGuest("rust-async", (call) => {
  const run = (policy: object, path: string, body: string, naps: number) =>
    call({ ...policy, arguments: [`api.test:${http.port}`, path, body, String(naps)] }, "run", {});
  const printed = ({ host }: Reached) => host.diagnostics.map(({ text }) => text).join("");

  it("posts a stream, naps and reads a stream, all at once, and goes on after it has returned", async () => {
    const small = await run(allowed(), "/", "in pieces of three", 20);
    expect(small.outcome).toEqual({ kind: "completed" });
    expect(printed(small)).toBe('Ok("200 20 14 POST undefined") later');
    expect(small.events).toContainEqual(
      expect.objectContaining({ effect: "allowed", clause: "network_allowlist[0]", result: "200" }),
    );
    const large = await run(allowed(), "/large", "", 0);
    expect(printed(large)).toBe(`Ok("200 0 ${LARGE.length} ${LARGE.slice(0, 100)}") later`);
  });

  it("says something by a socket of WASI 0.3, and hears the answer, where its policy names the place", async () => {
    const says = (policy: object) =>
      call({ ...policy, arguments: ["tcp", "api.test", String(tcp.port), "hello"] }, "run", {});
    const heard = await says(open());
    expect(printed(heard)).toBe('Ok("you said hello") later');
    expect(heard.events).toContainEqual(
      expect.objectContaining({
        import: "wasi:sockets/types@0.3.2#[method]tcp-socket.connect",
        clause: "sockets[1]",
        ...{ bytes_out: 5, bytes_in: 14 },
      }),
    );
    const denied = await says({});
    expect(printed(denied)).toContain("AccessDenied");
    expect(denied.events).toContainEqual(
      expect.objectContaining({ change: 'add to sockets: { host: "api.test", port: "<its port>" }' }),
    );
  });

  it("is told no in words of its own language, and the evidence says what would allow it", async () => {
    const denied = await run({}, "/", "x", 1);
    expect(denied.outcome.kind).toBe("denied-import");
    expect(printed(denied)).toContain("HttpRequestDenied");
    expect(denied.events).toContainEqual(
      expect.objectContaining({ change: expect.stringContaining("add to network_allowlist") }),
    );
  });
});

describeGuest("python-web", (call) => {
  speaksHttp(call, "get", {}, "GET bindings", "ErrorCode_HttpRequestDenied");
  speaksTcp(call, "get-urllib", "GET undefined", /denied|name|address/i);
});

describeGuest("python-clients", (call) => {
  it.each([
    ["get-urllib3", "urllib3", "NewConnectionError|NameResolutionError|MaxRetryError"],
    ["get-requests", "requests", "ConnectionError"],
    ["get-httpx", "httpx", "ConnectError"],
  ])("asks by %s, and is told no", async (name, by, denied) => {
    expect((await call(open(), name, { url: url() })).output).toEqual({ ok: `200 GET ${by}` });
    expect((await call(open(), name, { url: url("/large") })).output).toEqual({ ok: `200 ${LARGE}` });
    const { output, events } = await call({}, name, { url: url() });
    expect(output).toEqual({ err: expect.stringMatching(denied) });
    expect(events).toMatchObject([
      { effect: "denied", change: 'add to sockets: { host: "api.test", port: "<its port>" }' },
    ]);
  });
});
