/** Chunks of a stream, as the gateway reads what its executors say. */
import { Buffer } from "node:buffer";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { chunksOf } from "../../src/runtime/chunks.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

describe("chunksOf()", () => {
  it("gives all chunks in their order, to a reader that is slow and to one that waits", async () => {
    for (const slow of [true, false]) {
      const stream = new PassThrough();
      const wanted = Array.from({ length: 50 }, (_, n) => `chunk ${n};`);
      void (async () => {
        for (const text of wanted) {
          stream.write(text);
          if (!slow) await turn();
        }
        stream.end();
      })();
      let seen = "";
      for await (const chunk of chunksOf(stream)) {
        seen += Buffer.from(chunk).toString();
        if (slow) await turn();
      }
      expect(seen).toBe(wanted.join(""));
    }
  });

  it("gives all of a process that ended before anybody read, whose output Node has let go of, and ends", async () => {
    const stream = new PassThrough();
    const chunks = chunksOf(stream);
    stream.end("what it said");
    await turn();
    stream.resume();
    for (let n = 0; n < 5; n += 1) await turn();
    expect([stream.readableEnded, stream.destroyed]).toEqual([true, true]);
    let seen = "";
    for await (const chunk of chunks) seen += Buffer.from(chunk).toString();
    expect(seen).toBe("what it said");
  });

  it("leaves the rest in the stream while its reader is busy", async () => {
    let made = 0;
    const stream = new Readable({
      highWaterMark: 10,
      read() {
        made += 1;
        this.push(Buffer.alloc(10));
      },
    });
    const chunks = chunksOf(stream)[Symbol.asyncIterator]();
    await chunks.next();
    for (let n = 0; n < 20; n += 1) await turn();
    expect(made).toBeLessThan(6);
    await chunks.return?.();
    expect(stream.destroyed).toBe(true);
  });

  it("ends with a stream that is destroyed, and rejects with what broke it", async () => {
    for (const [failure, wanted] of [
      [undefined, { done: true, value: undefined }],
      [new Error("the pipe broke"), "the pipe broke"],
    ] as const) {
      const stream = new PassThrough();
      const chunks = chunksOf(stream)[Symbol.asyncIterator]();
      const next = chunks.next().catch((error: Error) => error.message);
      stream.destroy(failure);
      expect(await next).toEqual(wanted);
      expect(await chunks.next().catch((error: Error) => error.message)).toEqual(wanted);
    }
  });
});
