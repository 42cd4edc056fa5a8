/**
 * Connections that read into one buffer. Whatever they are sent at once, cut wherever, none is ever shown a byte of
 * another: not in a head or a trailer whose halves come in two reads, not in a body that nobody takes for a while.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Blocks } from "../../src/broker/egress/blocks.ts";
import { Incoming } from "../../src/broker/egress/incoming.ts";
import { joinBytes } from "../../src/core/bytes.ts";
import { bodyOf, call, closeListeners, readAll, sendOk, TRANSPORTS, textOf } from "./support.ts";

afterEach(closeListeners);

const CONNECTIONS = 8;
const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Bytes that only connection `n` has, and that differ along the way. */
function own(n: number, bytes: number): string {
  const unit = Array.from({ length: 61 }, (_, at) => String.fromCharCode(65 + ((at * (n + 3)) % 26))).join(
    "",
  );
  return `${n}:${unit}`.repeat(Math.ceil(bytes / 63)).slice(0, bytes);
}

/** Of long texts only where they begin to differ. */
function expectSame(seen: string, wanted: string): void {
  if (seen === wanted) return;
  const at = [...wanted].findIndex((char, index) => seen[index] !== char);
  expect({ at, length: seen.length, near: at < 0 ? "" : seen.slice(at, at + 40) }).toEqual({
    at: -1,
    length: wanted.length,
    near: "",
  });
}

/** How each connection frames what is its own. */
const FRAMINGS = {
  length: (n: number) => ({ fields: `content-length: 80000\r\n`, body: own(n, 80_000), tail: "" }),
  chunked: (n: number) => {
    const text = own(n, 80_000);
    const cut = Array.from({ length: 10 }, (_, at) => text.slice(at * 8000, (at + 1) * 8000));
    const chunks = cut.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
    const tail = `0\r\nx-trailer-${n}: ${own(n, 900)}\r\nx-last: ${own(n, 700)}\r\n\r\n`;
    return { fields: "transfer-encoding: chunked\r\n", body: chunks, tail };
  },
  close: (n: number) => ({ fields: "connection: close\r\n", body: own(n, 80_000), tail: "" }),
};

/** Writes a text in parts, each of which is a read of its own, with others' reads between them. */
async function writeCut(socket: Socket, text: string, bytes: number): Promise<void> {
  for (let at = 0; at < text.length; at += bytes) {
    if (!socket.write(text.slice(at, at + bytes), "latin1"))
      await new Promise((resolve) => socket.once("drain", resolve));
    await turn();
  }
}

const FRAMED = Object.entries(TRANSPORTS).flatMap(([name, transport]) =>
  Object.entries(FRAMINGS).map(([framing, frame]) => [framing, name, frame, transport] as const),
);

describe.each(FRAMED)("answers framed by %s over %s, many at once", (framing, _name, frame, transport) => {
  it.each([
    ["in large parts", 150, 30_011],
    ["in small parts", 17, 2_999],
  ])("are each their own, %s", async (_parts, headBytes, bodyBytes) => {
    const { port } = await transport.listen((socket) => {
      socket.setNoDelay(true);
      socket.once("data", (request) => {
        const n = Number(/GET \/(\d+)/.exec(request.toString("latin1"))?.[1]);
        const { fields, body, tail } = frame(n);
        const head = `HTTP/1.1 200 OK\r\nx-own-${n}: ${own(n, 1500)}\r\n${fields}\r\n`;
        void (async () => {
          await writeCut(socket, head, headBytes);
          await writeCut(socket, body, bodyBytes);
          await writeCut(socket, tail, 41);
          if (framing === "close") socket.end();
        })();
      });
    });
    const { host } = transport.openRun(port);
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, n) => {
        const { headers, body } = await sendOk(host, transport.get(port, { pathWithQuery: `/${n}` }));
        expect(headers.find(([name]) => name === `x-own-${n}`)?.[1]).toBe(own(n, 1500));
        const { chunks, last } = await readAll(host, body, n % 2 === 0 ? 262_144 : 3_001);
        expectSame(textOf(chunks), own(n, 80_000));
        if (framing !== "chunked") return;
        expect(last).toMatchObject({
          value: {
            trailers: [
              [`x-trailer-${n}`, own(n, 900)],
              ["x-last", own(n, 700)],
            ],
          },
        });
      }),
    );
  });
});

describe.each(Object.entries(TRANSPORTS))(
  "a body over %s that nobody reads for a while",
  (_name, transport) => {
    it("stays as it came while others are read", async () => {
      const { port } = await transport.listen((socket) => {
        socket.once("data", (request) => {
          const n = Number(/GET \/(\d+)/.exec(request.toString("latin1"))?.[1]);
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n${own(n, 500_000)}`, "latin1");
        });
      });
      const { host } = transport.openRun(port);
      const left = await sendOk(host, transport.get(port, { pathWithQuery: "/1" }));
      for (const n of [2, 3]) {
        const { body } = await sendOk(host, transport.get(port, { pathWithQuery: `/${n}` }));
        expectSame(textOf((await readAll(host, body, 262_144)).chunks), own(n, 500_000));
      }
      expectSame(textOf((await readAll(host, left.body, 262_144)).chunks), own(1, 500_000));
    });

    it("is given in pieces that stay as they are until they are given back, and then are used again", async () => {
      const { port } = await transport.listen((socket) => {
        socket.once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n${own(1, 500_000)}`, "latin1");
        });
      });
      const { host } = transport.openRun(port);
      const { body } = await sendOk(host, transport.get(port));
      let text = "";
      const places = new Set<ArrayBufferLike>();
      for (;;) {
        const reply = await call(host, "http-client/read", { handle: body, maxBytes: 65_536 });
        if (reply.kind !== "ok") throw new TypeError("The body broke off");
        for (const piece of reply.pieces ?? (reply.body === undefined ? [] : [reply.body]))
          places.add(piece.buffer);
        // Others come in meanwhile; what was given must not change.
        await turn();
        text += textOf([bodyOf(reply)]);
        reply.done?.();
        if (Object(reply.value).end === true) break;
      }
      expectSame(text, own(1, 500_000));
      expect(places.size).toBeLessThan(8);
    });
  },
);

describe("Incoming", () => {
  /** Numbers that are the same in each run of the suite. */
  function numbers(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
  }

  it("gives what it was given, in whatever parts, while its memory is used again and again", () => {
    for (let seed = 1; seed <= 15; seed += 1) {
      const next = numbers(seed);
      const blocks = new Blocks();
      const incoming = new Incoming(blocks);
      const controller = {
        ...{ paused: false, aborted: false, reason: null },
        ...{ rawHeaders: [], rawTrailers: [], pause: () => undefined, resume: () => undefined },
        abort: () => undefined,
      };
      // As a parser has them: their `slice` is no copy.
      const shared = Buffer.alloc(65_536);
      const sent: Uint8Array[] = [];
      const taken: Uint8Array[] = [];
      let held: (readonly [pieces: readonly Uint8Array[], copy: Uint8Array])[] = [];
      for (let step = 0; step < 120; step += 1) {
        if (next(3) > 0) {
          const piece = shared.subarray(0, 1 + next(next(2) === 0 ? 300 : 65_536));
          piece.fill(next(256));
          sent.push(new Uint8Array(piece));
          incoming.onResponseData(controller, piece);
        } else {
          const most = 1 + next(next(2) === 0 ? 500 : 300_000);
          const pieces = incoming.take(most);
          const copy = joinBytes(pieces);
          expect(copy.length).toBeLessThanOrEqual(most);
          taken.push(copy);
          held.push([pieces, copy]);
        }
        expect(held.every(([pieces, copy]) => Buffer.compare(joinBytes(pieces), copy) === 0)).toBe(true);
        if (next(4) > 0) continue;
        for (const [pieces] of held) blocks.give(pieces);
        held = [];
      }
      while (incoming.heldBytes > 0) taken.push(joinBytes(incoming.take(100_000)));
      expect(Buffer.compare(joinBytes(taken), joinBytes(sent))).toBe(0);
    }
  });
});
