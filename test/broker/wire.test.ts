/** What a raw TCP server sees of hostile requests, and what a hostile server can make this process read. */
import { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  closeListeners,
  FLOODS,
  flood,
  get,
  listenRelay,
  listenTcp,
  openRun,
  readAll,
  rule,
  send,
  sendOk,
  TRANSPORTS,
  textOf,
} from "./support.ts";

afterEach(closeListeners);

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("requests as a raw server sees them", () => {
  const nasty = fc.constantFrom(
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    ":",
    ",",
    ";",
    "\u000b",
    "\u0085",
    "\u2028",
    "\ud83d",
    "é",
    "0",
    "\r\n\r\n",
    "GET /evil HTTP/1.1\r\nhost: evil.test\r\n\r\n",
    "chunked",
    "x-smuggled: 1",
    "%0d%0a",
    "%",
    "?",
    "#",
    "/",
    "\\",
    "..",
    "a",
    "a",
  );
  const text = fc.array(nasty, { maxLength: 6 }).map((parts) => parts.join(""));
  const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });
  const names = "x-a Content-Length transfer-encoding HOST connection te expect upgrade proxy-x".split(" ");
  const values = ["0", "chunked", "close, x-a", "100-continue", "h2c", "identity, chunked"];
  const header = fc.tuple(mostly(fc.constantFrom(...names), text), mostly(fc.constantFrom(...values), text));
  const request = fc.record({
    method: mostly(fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD"), text),
    pathWithQuery: fc.oneof(
      fc.constantFrom("/", "/v1?q=%0d%0a"),
      text.map((rest) => `/${rest}`),
      text,
    ),
    headers: fc.array(header, { maxLength: 5 }),
    body: fc.oneof(fc.constant(""), text),
  });

  it.each([
    ["closed after each", undefined],
    ["kept for the next", "acme p1"],
  ])("are one for each that was permitted, whole and alone, connections %s", async (_, pool) => {
    // Counts requests by the framing that we claim: a request line, our own framing headers once, exactly that body.
    const seen: string[] = [];
    const server = await listenTcp((socket) => {
      let pending = "";
      socket.on("data", (chunk) => {
        pending += chunk.toString("latin1");
        for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
          const head = pending.slice(0, end);
          const length = Number(/\r\ncontent-length: (\d+)(?:\r\n|$)/.exec(head)?.[1] ?? 0);
          if (pending.length < end + 4 + length) return;
          seen.push(head);
          pending = pending.slice(end + 4 + length);
          socket.write(OK.replace("2\r\n\r\nok", "0\r\n\r\n"));
        }
      });
    });
    const { host } = openRun({
      rules: [rule("api.test", server.port)],
      budget: { requests: 1e6, egress_bytes: 1e9 },
      ...(pool === undefined ? {} : { pool }),
    });
    let permitted = 0;
    await fc.assert(
      fc.asyncProperty(request, async ({ body, ...args }) => {
        const before = seen.length;
        const reply = await send(host, get(server.port, args), new TextEncoder().encode(body));
        if (reply.kind !== "ok") {
          expect(seen.length).toBe(before);
          return;
        }
        await readAll(host, Number(Reflect.get(Object(reply.value), "body")));
        permitted += 1;
        expect(seen.length).toBe(before + 1);
        const lines = (seen.at(-1) ?? "").split("\r\n");
        expect(lines[0]).toMatch(/^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \/[\x21-\x7e]* HTTP\/1\.1$/);
        const names = lines.slice(1).map((line) => line.split(":")[0]);
        expect(names.filter((name) => name === "host")).toHaveLength(1);
        expect(names.filter((name) => name === "content-length").length).toBeLessThan(2);
        expect(
          names.filter((name) => /^(transfer-encoding|te|expect|upgrade|proxy-.*)$/i.test(name ?? "")),
        ).toEqual([]);
        expect(
          lines
            .slice(1)
            .every((line) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\t\x20-\x7e\x80-\xff]*$/.test(line)),
        ).toBe(true);
      }),
      { numRuns: 600 },
    );
    expect(permitted).toBeGreaterThan(50);
  });
});

describe("bombs", () => {
  /** Bytes that the kernel gave to sockets of this process that egress opened, counted where they arrive. */
  async function readDuring(port: number, action: () => Promise<void>): Promise<number> {
    const sockets = new Set<Socket>();
    const connect = Socket.prototype.connect;
    Reflect.set(Socket.prototype, "connect", function hooked(this: Socket, ...args: unknown[]) {
      sockets.add(this);
      return Reflect.apply(connect, this, args);
    });
    try {
      await action();
    } finally {
      Reflect.set(Socket.prototype, "connect", connect);
    }
    return [...sockets]
      .filter(({ remotePort }) => remotePort === port || remotePort === undefined)
      .reduce((sum, socket) => sum + socket.bytesRead, 0);
  }

  const bomb = gzipSync(new Uint8Array(50_000_000));

  const sent = Object.entries(TRANSPORTS).flatMap(([name, transport]) =>
    FLOODS.map((row) => [...row, name, transport] as const),
  );

  it.each(sent)(
    "$0 over $3 stops within the budget and 64 KiB more",
    async (_, head, piece, _name, transport) => {
      const limit = 200_000;
      const server = await transport.listen((socket) => {
        socket.once("data", () => flood(socket, head, piece));
      });
      const { host } = transport.openRun(server.port, { budget: { egress_bytes: limit } });
      const read = await readDuring(server.port, async () => {
        const first = await send(host, transport.get(server.port));
        if (first.kind === "ok") await readAll(host, 1);
      });
      expect(host.usage.egress_bytes).toBe(limit);
      expect(read).toBeGreaterThan(limit * 0.9); // bytes of them were counted at all
      expect(read).toBeLessThanOrEqual(limit + 65_536);
    },
  );

  it.each(Object.entries(TRANSPORTS))(
    "over %s that nobody reads is not taken from the system",
    async (_name, transport) => {
      const server = await transport.listen((socket) => {
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n");
          socket.write(new Uint8Array(50_000_000));
        });
      });
      const { host } = transport.openRun(server.port);
      const read = await readDuring(server.port, async () => {
        await sendOk(host, transport.get(server.port));
        // Long enough for all of it, were it taken.
        await new Promise((resolve) => setTimeout(resolve, 500));
      });
      expect(read).toBeGreaterThan(0);
      expect(read).toBeLessThanOrEqual(4 * 65_536);
    },
  );

  it("of compressed bytes stays compressed: the guest gets what was sent and pays for that", async () => {
    const server = await listenTcp((socket) =>
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
        socket.end(bomb);
      }),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const { body } = await sendOk(host, get(server.port, { headers: [["accept-encoding", "gzip"]] }));
    expect((await readAll(host, body)).length).toBe(bomb.length);
    expect(host.usage.egress_bytes).toBeLessThan(bomb.length + 1000);
  });
});

describe.each(Object.entries(TRANSPORTS))("an answer over %s that is cut", (_name, transport) => {
  const ends: Socket[] = [];

  /** Reads an answer whose connection somebody between ends, as soon as all that was sent of it is there. */
  async function readCut(answer: string, cut: (near: Socket) => void) {
    const server = await transport.listen((socket) => socket.once("data", () => socket.write(answer)));
    const relay = await listenRelay(server.port, (near, far) => {
      near.pipe(far, { end: false });
      far.pipe(near, { end: false });
      ends.push(near);
    });
    const { host } = transport.openRun(relay.port);
    const { body } = await sendOk(host, transport.get(relay.port));
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const near of ends.splice(0)) cut(near);
    const { chunks, last } = await readAll(host, body);
    return { text: textOf(chunks), last, events: host.events };
  }
  const END = { kind: "ok", value: { end: true } };

  it("ends where its connection was closed when no length was announced, and its event says so", async () => {
    const { text, last, events } = await readCut("HTTP/1.1 200 OK\r\n\r\npart", (near) => near.end());
    expect([text, last]).toEqual(["part", END]);
    const result = "200; of no announced length: it ends where its connection did";
    expect(events).toMatchObject([{ effect: "allowed", result }]);
  });

  it("has failed where its connection was reset and no length was announced", async () => {
    const { last, events } = await readCut("HTTP/1.1 200 OK\r\n\r\npart", (near) => near.resetAndDestroy());
    expect(last).toEqual({ kind: "error", error: { tag: "connection-terminated" } });
    expect(events).toMatchObject([{ effect: "failed", result: "connection-terminated" }]);
  });

  it("is whole where all of an announced length was there before its connection was reset", async () => {
    const head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 150000\r\n\r\n";
    const { text, last, events } = await readCut(head + "x".repeat(150_000), (near) =>
      near.resetAndDestroy(),
    );
    expect([text.length, last]).toEqual([150_000, END]);
    expect(events).toMatchObject([{ effect: "allowed", result: "200" }]);
  });
});
