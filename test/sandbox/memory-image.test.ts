/** What a memory held is found whole, and a memory that was used is made that again, to the byte. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentOf, fill, refill } from "../../src/sandbox/executor/memory-image.ts";

const PAGES = 2;
const BYTES = PAGES * 65_536;

const memoryOf = (pages = PAGES) => new WebAssembly.Memory({ initial: pages, maximum: pages });
const bytesOf = ({ buffer }: WebAssembly.Memory) => new Uint8Array(buffer);
const isSame = (a: WebAssembly.Memory, b: WebAssembly.Memory) => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;

/** Writes anywhere: single bytes, and across many pieces. */
const writes = fc.array(
  fc.record({
    at: fc.nat(BYTES - 1),
    length: fc.oneof(fc.constant(1), fc.nat(70_000)),
    value: fc.oneof(fc.constant(0), fc.nat(255)),
  }),
  { maxLength: 12 },
);

function write(memory: WebAssembly.Memory, all: readonly { at: number; length: number; value: number }[]) {
  for (const { at, length, value } of all) bytesOf(memory).fill(value, at, at + length);
}

describe("contentOf()", () => {
  it("has all of a memory, and refill() makes any other that again", () => {
    fc.assert(
      fc.property(writes, writes, (before, after) => {
        const was = memoryOf();
        write(was, before);
        const content = contentOf(was);
        const made = memoryOf();
        fill(made, content);
        const used = memoryOf();
        write(used, before);
        write(used, after);
        refill(used, content);
        return isSame(made, was) && isSame(used, was);
      }),
      { numRuns: 200 },
    );
  });

  it("finds a single byte at whatever place, the first and the last too", () => {
    for (const at of [0, 1, 3, 4, 4095, 4096, 4099, 65_535, 65_536, BYTES - 4097, BYTES - 1]) {
      const was = memoryOf();
      bytesOf(was)[at] = 0x80;
      const used = memoryOf();
      bytesOf(used).fill(0xff);
      refill(used, contentOf(was));
      expect(isSame(used, was), String(at)).toBe(true);
    }
  });

  it("keeps no zeroes: of an empty memory nothing, of none nothing", () => {
    expect(contentOf(memoryOf())).toEqual({ runs: [], image: new Uint8Array(0) });
    expect(contentOf(memoryOf(0))).toEqual({ runs: [], image: new Uint8Array(0) });
    const used = memoryOf();
    bytesOf(used).fill(1);
    refill(used, contentOf(memoryOf()));
    expect(isSame(used, memoryOf())).toBe(true);
  });
});
