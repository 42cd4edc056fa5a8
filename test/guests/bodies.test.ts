/**
 * Bodies of several runs at once, both ways, through a real executor, its pipe and the broker: memory that one passes
 * through is used again by the next on every part of that way, and no byte of one is ever another's.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenHttp, listenTcp } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { bodiesGuest } from "../support/get-guest.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const AT_ONCE = 8;
const UP_BYTES = 120_007;
const DOWN_BYTES = 800_003;
/** Bytes of one write of the server's, in turn: below, at and above what a pipe, a block and a read take at once. */
const CUTS = [1, 65_536, 7, 65_537, 8_191, 262_145, 16_383, 131_072, 3];
/** What guests ask for at once. */
const PIECES = [65_536, 1_009, 300_000, 4_096];

let box: TestSandbox;
let server: Listener;
/** What the server made of each request's body, by path. */
const received = new Map<string, { readonly bytes: number; readonly digest: number }>();

/** As the guest's: bytes that only this seed has. */
function patterned(seed: number, bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 1)
    all[at] = at * (2 * seed + 1) + (at >> 8) * 31 + (at >> 16) * 7 + seed;
  return all;
}

function digestOf(pieces: readonly Uint8Array[]): number {
  let digest = 2_166_136_261;
  for (const piece of pieces) for (const byte of piece) digest = Math.imul(digest ^ byte, 16_777_619);
  return digest >>> 0;
}

beforeAll(async () => {
  server = await listenHttp(serve);
  box = await openSandbox();
}, 60_000);
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

/** Answers while it is still being asked: both bodies are under way at once. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  const seed = Number(request.url?.slice(1));
  const pieces: Uint8Array[] = [];
  request.on("data", (piece: Uint8Array) => void pieces.push(piece));
  const whole = new Promise<void>((resolve) => {
    request.on("end", () => {
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      received.set(`/${seed}`, { bytes, digest: digestOf(pieces) });
      resolve();
    });
  });
  request.once("data", () => void answer(response, patterned(1000 + seed, DOWN_BYTES), seed, whole));
}

async function answer(
  response: ServerResponse,
  body: Uint8Array,
  seed: number,
  asked: Promise<void>,
): Promise<void> {
  response.socket?.setNoDelay(true);
  if (seed % 2 === 0) response.setHeader("content-length", body.length);
  for (let at = 0, turn = seed; at < body.length; turn += 1) {
    const piece = body.subarray(at, at + (CUTS[turn % CUTS.length] ?? 1));
    at += piece.length;
    if (!response.write(piece)) await new Promise((resolve) => response.once("drain", resolve));
    else await new Promise((resolve) => setImmediate(resolve));
  }
  // A server that has answered is done with the connection, whatever is still to come.
  await asked;
  response.end();
}

function policyFor(port: number) {
  return {
    max_duration_ms: 60_000,
    network_allowlist: [{ host: "api.test", scheme: "http", port, methods: ["POST"], paths: ["/*"] }],
    budget: {
      ...{ fuel: 1e11, memory_bytes: "4MiB", egress_bytes: "16MiB", requests: 1 },
      ...{ output_bytes: 1024, log_bytes: 0 },
    },
  };
}

/** @returns bytes of each chunk of a body, in order; undefined while it is not whole */
function chunksOf(message: string): readonly number[] | undefined {
  const chunks: number[] = [];
  for (let at = message.indexOf("\r\n\r\n") + 4; at >= 4; ) {
    const line = /^([0-9a-f]+)\r\n/.exec(message.slice(at, at + 10));
    if (line === null) return undefined;
    const bytes = Number.parseInt(line[1] ?? "", 16);
    if (bytes === 0) return chunks;
    chunks.push(bytes);
    at += line[0].length + bytes + 2;
  }
  return undefined;
}

describe("a body that is written 4 KiB at once", () => {
  it("leaves in few pieces, none larger than what a run may hold, and takes as much fuel each time", async () => {
    const received = { text: "", chunks: undefined as readonly number[] | undefined };
    const { port } = await listenTcp((socket) => {
      socket.on("data", (bytes) => {
        received.text += bytes.toString("latin1");
        received.chunks = chunksOf(received.text);
        if (received.chunks !== undefined) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      });
    });
    const call = reachFrom(box, await admit(await bodiesGuest()), {
      clock: runtime.clock,
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    const bytes = 1024 * 1024;
    const input = { authority: `api.test:${port}`, path: "/", seed: 1, bytes, piece: 4096 };
    const fuel = new Set<unknown>();
    for (let turn = 0; turn < 3; turn += 1) {
      Object.assign(received, { text: "", chunks: undefined });
      const { outcome, fuelUsed } = await call(policyFor(port), "exchange", input);
      expect(outcome).toEqual({ kind: "completed" });
      const chunks = received.chunks ?? [];
      expect(chunks.reduce((sum, chunk) => sum + chunk, 0)).toBe(bytes);
      expect(chunks.length).toBeLessThan(48);
      expect(Math.max(...chunks)).toBeLessThanOrEqual(65_536 + 4096);
      fuel.add(fuelUsed);
    }
    expect(fuel.size).toBe(1);
  });

  it("ends with its run where its fuel does, and leaves the executor to others", async () => {
    const { port } = await listenTcp();
    const call = reachFrom(box, await admit(await bodiesGuest()), {
      clock: runtime.clock,
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    const { budget, ...policy } = policyFor(port);
    const input = { authority: `api.test:${port}`, path: "/", seed: 1, bytes: 1024 * 1024, piece: 4096 };
    // Somewhere between its first piece and its last, wherever the charge falls.
    for (const fuel of [1_000_000, 1_500_000, 2_345_678, 3_000_000, 5_000_000, 9_999_999]) {
      const { outcome } = await call({ ...policy, budget: { ...budget, fuel } }, "exchange", input);
      expect(outcome).toEqual({ kind: "exhausted", budget: "fuel" });
    }
    expect(box.started.filter(({ role }) => role === "run")).toHaveLength(1);
  });
});

describe(`bodies of ${AT_ONCE} runs at once`, () => {
  it("arrive as they were sent, both ways, and again in what they leave behind", async () => {
    const call = reachFrom(box, await admit(await bodiesGuest()), {
      clock: runtime.clock,
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    const { port } = server;
    const policy = policyFor(port);
    for (const round of [0, 1]) {
      const seeds = Array.from({ length: AT_ONCE }, (_, index) => 10 * round + index);
      const ends = await Promise.all(
        seeds.map((seed) =>
          call(policy, "exchange", {
            ...{ authority: `api.test:${port}`, path: `/${seed}`, seed },
            ...{ bytes: UP_BYTES + seed, piece: PIECES[seed % PIECES.length] ?? 1 },
          }),
        ),
      );
      expect(ends.map(({ outcome, output }) => ({ outcome, output }))).toEqual(
        seeds.map((seed) => ({
          outcome: { kind: "completed" },
          output: digestOf([patterned(1000 + seed, DOWN_BYTES)]),
        })),
      );
      expect(seeds.map((seed) => received.get(`/${seed}`))).toEqual(
        seeds.map((seed) => ({
          bytes: UP_BYTES + seed,
          digest: digestOf([patterned(seed, UP_BYTES + seed)]),
        })),
      );
    }
    // One executor had all of them: what they shared was really shared.
    expect(box.started.filter(({ role }) => role === "run")).toHaveLength(1);
  }, 120_000);
});
