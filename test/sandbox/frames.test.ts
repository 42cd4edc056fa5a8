/** Frames on the pipe, cut anywhere and of any size, and what can be none. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinBytes } from "../../src/core/bytes.ts";
import {
  decodeFrame,
  encodeFrame,
  encodeFramePieces,
  type Frame,
  FrameError,
  FrameReader,
  readFrames,
} from "../../src/sandbox/pipe/frames.ts";

const LIMIT = 16 * 1024 * 1024;

async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    yield bytes.slice(at, at + length);
    at += length;
  }
}

async function read(chunks: AsyncIterable<Uint8Array>, limit = LIMIT, headLimit = limit): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readFrames(chunks, limit, () => headLimit)) frames.push(frame);
  return frames;
}

const join = (pieces: readonly Uint8Array[]) =>
  joinBytes(
    pieces,
    pieces.reduce((sum, { length }) => sum + length, 0),
  );

describe("readFrames()", () => {
  it("gives what was written, wherever it is cut, in one piece or in two", async () => {
    const frame = fc.record({
      head: fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue()),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 50 }),
        fc.constantFrom(16_383, 16_384, 70_000).map((n) => new Uint8Array(n).fill(7)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 }),
        async (frames, lengths) => {
          const whole = join(frames.map(({ head, body }) => encodeFrame(head, body)));
          expect(join(frames.flatMap(({ head, body }) => encodeFramePieces(head, body)))).toEqual(whole);
          const found = await read(cut(whole, lengths));
          expect(found.map(({ body }) => body)).toEqual(frames.map(({ body }) => body));
          expect(found.map(({ head }) => head)).toEqual(
            frames.map(({ head }) => JSON.parse(JSON.stringify(head))),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("takes a body that is longer than the room it begins with", async () => {
    const body = Uint8Array.from({ length: 3 * 1024 * 1024 + 17 }, (_, at) => at % 251);
    const [frame, next] = await read(
      cut(join([encodeFrame({ a: 1 }, body), encodeFrame({ b: 2 })]), [65_536]),
    );
    expect(frame?.body).toEqual(body);
    expect(next).toEqual({ head: { b: 2 }, body: new Uint8Array(0) });
  });

  const header = (total: number, head: number, rest = "") => {
    const bytes = new Uint8Array(8 + rest.length);
    new DataView(bytes.buffer).setUint32(0, total, true);
    new DataView(bytes.buffer).setUint32(4, head, true);
    bytes.set(new TextEncoder().encode(rest), 8);
    return bytes;
  };

  it.each([
    ["a frame over the limit", header(LIMIT + 1, 2, "{}")],
    ["a frame too short for its own length", header(3, 0)],
    ["a frame that would be all there is", header(0xffff_ffff, 0)],
    ["a head longer than its frame", header(6, 3, "{}")],
    ["a head over its own limit", header(4 + 200, 200)],
    ["a head that is not JSON", header(6, 2, "{]")],
    ["a head that is no object", header(6, 2, "[]")],
    ["a head that is not UTF-8", Uint8Array.from([...header(6, 2), 0xc3, 0x28])],
  ])("refuses %s, at once and byte by byte", async (_, bytes) => {
    await expect(read(cut(bytes, [1000]), LIMIT, 100)).rejects.toBeInstanceOf(FrameError);
    await expect(read(cut(bytes, [1]), LIMIT, 100)).rejects.toBeInstanceOf(FrameError);
  });

  it("gives nothing of a frame that never becomes whole", async () => {
    const bytes = encodeFrame({ a: 1 }, new Uint8Array(100));
    for (const length of [1, 7, 8, 12, bytes.length - 1])
      expect(await read(cut(bytes.slice(0, length), [5]))).toEqual([]);
  });
});

describe("decodeFrame()", () => {
  const frame = encodeFrame({ a: 1 }, Uint8Array.of(7, 8));

  it("gives what was written", () => {
    expect(decodeFrame(frame)).toEqual({ head: { a: 1 }, body: Uint8Array.of(7, 8) });
  });

  it("refuses what is not exactly one frame", () => {
    const longer = join([frame, Uint8Array.of(0)]);
    for (let length = 0; length < frame.length; length++)
      expect(() => decodeFrame(frame.subarray(0, length))).toThrow(FrameError);
    expect(() => decodeFrame(longer)).toThrow(FrameError);
  });
});

describe("FrameReader with room for a body", () => {
  it("fills the room that it is given, wherever the frame is cut, and makes its own where it is given none", () => {
    const frames = [1, 2, 3, 4].map((call) => encodeFrame({ call }, new Uint8Array(5000 * call).fill(call)));
    const room = new Uint8Array(15_000).fill(99);
    const asked: unknown[] = [];
    const reader = new FrameReader({
      frameBytes: LIMIT,
      roomFor({ call }, bytes) {
        asked.push([call, bytes]);
        return call === 2 ? room.subarray(0, bytes) : undefined;
      },
    });
    const whole = join(frames);
    const bodies: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += 777)
      for (const { body } of reader.read(whole.subarray(at, at + 777))) bodies.push(body);
    expect(asked).toEqual([1, 2, 3, 4].map((call) => [call, 5000 * call]));
    expect(bodies.map((body) => [body.length, body.every((byte) => byte === body[0]), body[0]])).toEqual(
      [1, 2, 3, 4].map((call) => [5000 * call, true, call]),
    );
    expect(bodies.map(({ buffer }) => buffer === room.buffer)).toEqual([false, true, false, false]);
    expect(room.subarray(10_000).every((byte) => byte === 99)).toBe(true);
  });

  it("says where the bytes that follow belong, and takes what was read to there as it takes all else", () => {
    const heads = Array.from({ length: 40 }, (_, call) => ({
      call,
      body: new Uint8Array(call * 311).fill(call),
    }));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 20 }), (lengths) => {
        const room = new Uint8Array(20_000);
        const reader = new FrameReader({
          frameBytes: LIMIT,
          trusted: true,
          roomFor: ({ call }, bytes) => (Number(call) % 3 === 0 ? room.subarray(0, bytes) : undefined),
        });
        const whole = join(heads.map(({ call, body }) => encodeFrame({ call }, body)));
        const own = new Uint8Array(512);
        const seen: unknown[] = [];
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          // As a system's read does: as many bytes as there are, and no more than there is room for.
          const place = reader.place ?? own;
          const piece = whole.subarray(at, at + Math.min(place.length, lengths[turn % lengths.length] ?? 1));
          place.set(piece);
          at += piece.length;
          for (const { head, body } of reader.read(place.subarray(0, piece.length)))
            seen.push([head["call"], body.length, body.every((byte) => byte === head["call"])]);
        }
        expect(seen).toEqual(heads.map(({ call, body }) => [call, body.length, true]));
        expect(reader.place).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });
});
