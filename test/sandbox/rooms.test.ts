/**
 * Pieces of response bodies that come into rooms which are used again: no stream is ever shown another's bytes, and what
 * is given up on the way is not written into for somebody else.
 */
import { describe, expect, it } from "vitest";
import type { Answer, GuestContext } from "../../src/sandbox/executor/context.ts";
import { createRooms, ROOM_BYTES } from "../../src/sandbox/executor/rooms.ts";
import { BrokerSource, createReadAllowance } from "../../src/sandbox/executor/wasi/broker-source.ts";
import { InputStream } from "../../src/sandbox/executor/wasi/streams.ts";

const NO_BYTES = new Uint8Array(0);

/** A broker whose bodies are of one byte each, and which answers when it is told to. */
function openBroker(bodies: ReadonlyMap<number, number>) {
  const rooms = createRooms();
  const left = new Map(bodies);
  const asked: (() => void)[] = [];
  const closed: number[] = [];
  const context: Pick<GuestContext, "call" | "send" | "rooms"> = {
    rooms,
    send: (_name, args) => void closed.push(Number(Object(args).handle)),
    call: (_name, args, _body, roomy) =>
      new Promise<Answer>((resolve) => {
        const { handle, maxBytes } = Object(args);
        asked.push(() => {
          expect(roomy).toBe(true);
          const bytes = Math.min(left.get(handle) ?? 0, maxBytes);
          left.set(handle, (left.get(handle) ?? 0) - bytes);
          const room = bytes === 0 ? undefined : rooms.take();
          const body = room?.subarray(0, bytes).fill(handle) ?? NO_BYTES;
          resolve({ value: { end: left.get(handle) === 0 }, body, room });
        });
      }),
  };
  const allowance = createReadAllowance();
  const open = (handle: number) =>
    new BrokerSource(context as GuestContext, allowance, handle, {
      bytes: NO_BYTES,
      room: undefined,
      end: false,
    });
  return { open, asked, closed, rooms };
}

/** Lets the broker answer all that was asked, and whoever waits go on. */
async function answer(asked: (() => void)[]): Promise<void> {
  for (const give of asked.splice(0)) give();
  await new Promise((resolve) => void setImmediate(resolve));
}

describe("BrokerSource", () => {
  it("gives each of many bodies its own bytes, read in turns", async () => {
    const bodies = new Map([1, 2, 3, 4, 5].map((handle) => [handle, handle * 300_000]));
    const { open, asked } = openBroker(bodies);
    const readers = [...bodies].map(async ([handle, bytes]) => {
      const stream = new InputStream(open(handle));
      let seen = 0;
      while (seen < bytes) {
        const piece = await stream.blockingRead(65_536n);
        if (!(piece instanceof Uint8Array)) throw piece;
        expect(piece.every((byte) => byte === handle)).toBe(true);
        seen += piece.length;
      }
      expect(await stream.blockingRead(65_536n)).toMatchObject({ payload: { tag: "closed" } });
      return seen;
    });
    let done = false;
    const all = Promise.all(readers).finally(() => {
      done = true;
    });
    while (!done) await answer(asked);
    expect(await all).toEqual([...bodies.values()]);
  });

  it("uses few rooms, one after the other", async () => {
    const { open, asked, rooms } = openBroker(new Map([[1, 40 * ROOM_BYTES]]));
    const source = open(1);
    const seen = new Set<ArrayBufferLike>();
    for (let turn = 0; turn < 40; turn += 1) {
      const piece = source.read();
      await answer(asked);
      seen.add((await piece)?.buffer ?? new ArrayBuffer(0));
    }
    expect(seen.size).toBeLessThan(4);
    const end = source.read();
    await answer(asked);
    expect(await end).toBeUndefined();
    // All of them are there for others again.
    expect([...seen].every((buffer) => [1, 2, 3, 4].map(() => rooms.take().buffer).includes(buffer))).toBe(
      true,
    );
  });

  it("gives nothing back of a body that is closed while a reply is on its way", async () => {
    const { open, asked, closed, rooms } = openBroker(new Map([[1, 10 * ROOM_BYTES]]));
    const source = open(1);
    const piece = source.read();
    await answer(asked);
    const shown = await piece;
    source.close();
    const next = rooms.take();
    await answer(asked);
    // The guest still looks at what it was shown, and the reply that was asked for ahead goes nowhere.
    expect(next.buffer).not.toBe(shown?.buffer);
    expect(shown?.every((byte) => byte === 1)).toBe(true);
    expect(closed).toEqual([1]);
  });
});
