/** The same app behind the server of the runtime that is running: what only real sockets show. */
import { connect } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTestApp, GOOD_BODY, KEY } from "./support.ts";

const GOOD = JSON.stringify(GOOD_BODY);
const HEAD = [
  "POST /v1/tools/weather/weather/forecast HTTP/1.1",
  "Host: 127.0.0.1",
  `Authorization: ${KEY}`,
  "Content-Type: application/json",
];

let door: ReturnType<typeof createTestApp>;
let server: { readonly port: number; close(): Promise<void> };

beforeEach(async () => {
  door = createTestApp({ maxBodyBytes: 100_000, bodyTimeoutMs: 300 });
  server = await serve(door.app.fetch);
});

afterEach(() => server.close());

/** As far as Deno is used here; its own types are not those that Node's checker has. */
interface DenoLike {
  serve(
    options: { port: number; hostname: string; onListen: () => void },
    handler: (request: Request) => Response | Promise<Response>,
  ): { addr: { port: number }; shutdown(): Promise<void> };
}

async function serve(fetch: (request: Request) => Response | Promise<Response>): Promise<typeof server> {
  if ("Deno" in globalThis) {
    const deno: DenoLike = Reflect.get(globalThis, "Deno");
    const listening = deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => undefined }, (request) =>
      fetch(request),
    );
    return { port: listening.addr.port, close: () => listening.shutdown() };
  }
  const listening = createAdaptorServer({ fetch });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const address = listening.address();
  if (address === null || typeof address === "string") throw new TypeError("Cannot serve: no port was bound");
  return { port: address.port, close: () => new Promise((resolve) => listening.close(() => resolve())) };
}

/** Speaks raw HTTP: writes, and collects what comes back until the text matches or the socket ends. */
function talk(
  write: (send: (text: string) => void, end: () => void) => void,
  until: RegExp,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.port, "127.0.0.1");
    let text = "";
    const done = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(60_000, done);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (until.test(text)) done();
    });
    socket.on("close", done);
    socket.on("error", done);
    socket.on("connect", () => write((chunk) => socket.write(chunk, "latin1"), done));
  });
}

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

test("the server answers an invocation sent whole, and one sent in chunks", async () => {
  const whole = await talk(
    (send) => send(`${[...HEAD, `Content-Length: ${GOOD.length}`].join("\r\n")}\r\n\r\n${GOOD}`),
    /"receipt":.*\}\}/,
  );
  expect(whole).toMatch(/^HTTP\/1\.1 200/);
  const chunked = await talk(
    (send) =>
      send(
        `${[...HEAD, "Transfer-Encoding: chunked"].join("\r\n")}\r\n\r\n${[...GOOD].map(chunk).join("")}0\r\n\r\n`,
      ),
    /"receipt":.*\}\}/,
  );
  expect(chunked).toMatch(/^HTTP\/1\.1 200/);
  expect(door.gateway.invocations).toHaveLength(2);
});

test("the server refuses a body by its declared length before any of it came", async () => {
  const answer = await talk(
    (send) => send(`${[...HEAD, "Content-Length: 100001"].join("\r\n")}\r\n\r\n`),
    /limitBytes/,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413/);
  expect(door.gateway.invocations).toEqual([]);
});

test("the server refuses a body that never says its length as soon as it is too large", async () => {
  const answer = await talk((send) => {
    send(`${[...HEAD, "Transfer-Encoding: chunked"].join("\r\n")}\r\n\r\n`);
    // 200 KB, and no end: an answer proves that nobody waits for one.
    for (let sent = 0; sent < 20; sent++) send(chunk("x".repeat(10_000)));
  }, /limitBytes/);
  expect(answer).toMatch(/^HTTP\/1\.1 413/);
  expect(door.lines.at(-1)).toMatchObject({ status: 413, code: "input-too-large" });
});

test("the server gives up on a body that trickles", async () => {
  const timers: ReturnType<typeof setInterval>[] = [];
  const answer = await talk((send) => {
    send(`${[...HEAD, "Content-Length: 1000"].join("\r\n")}\r\n\r\n`);
    timers.push(setInterval(() => send(" "), 50));
  }, /about:blank/);
  for (const timer of timers) clearInterval(timer);
  expect(answer).toMatch(/^HTTP\/1\.1 408/);
  expect(door.gateway.invocations).toEqual([]);
});

test("the server survives a caller who hangs up in the middle of a body, and invokes nothing", async () => {
  for (let round = 0; round < 5; round++) {
    await talk((send, end) => {
      send(`${[...HEAD, "Content-Length: 1000"].join("\r\n")}\r\n\r\n{"input":`);
      setTimeout(end, 30);
    }, /never/);
  }
  await expect.poll(() => door.lines.length).toBe(5);
  expect(door.lines.map(({ code }) => code)).toEqual(Array(5).fill(expect.stringMatching(/^http-40[08]$/)));
  expect(door.gateway.invocations).toEqual([]);
  const alive = await fetch(`http://127.0.0.1:${server.port}/healthz`);
  expect(await alive.json()).toEqual({ status: "ok" });
});

test.for([
  ["another host", ["GET /healthz HTTP/1.1", "Host: evil.example"], /^HTTP\/1\.1 421/],
  [
    "a target that names another host",
    ["GET http://evil.example/healthz HTTP/1.1", "Host: 127.0.0.1"],
    /^HTTP\/1\.1 421/,
  ],
  ["two lengths", [...HEAD, "Content-Length: 5", "Content-Length: 6"], /^HTTP\/1\.1 400|^$/],
  [
    "a length and chunks",
    [...HEAD, "Content-Length: 5", "Transfer-Encoding: chunked"],
    /^HTTP\/1\.1 4\d\d|^$/,
  ],
  [
    "headers without end",
    ["GET /healthz HTTP/1.1", "Host: 127.0.0.1", `X: ${"a".repeat(20_000)}`],
    /^HTTP\/1\.1 431|^$/,
  ],
] as const)("the server refuses %s", async ([, lines, expected]) => {
  const answer = await talk((send) => send(`${lines.join("\r\n")}\r\n\r\n`), /\r\n\r\n/);
  expect(answer).toMatch(expected);
  expect(door.gateway.invocations).toEqual([]);
});
