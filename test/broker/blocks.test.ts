/** Memory that bodies pass through, from run to run: a block is never two runs' at once, and never shows what was in it. */
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES, BlockReserve, Blocks } from "../../src/broker/egress/blocks.ts";

const part = (block: Uint8Array) => block.subarray(10, 20);

describe("Blocks", () => {
  it("takes a block back once for each time that it was given out, however often it is given back", () => {
    const reserve = new BlockReserve();
    const run = new Blocks(reserve);
    const block = run.take();
    run.give([part(block), part(block)]);
    run.give([block]);
    const again = [run.take(), run.take()];
    expect(again[0]?.buffer).toBe(block.buffer);
    expect(again[1]?.buffer).not.toBe(block.buffer);
  });

  it("takes nothing back that it never gave, not even from another run", () => {
    const reserve = new BlockReserve();
    const [one, other] = [new Blocks(reserve), new Blocks(reserve)];
    const [block, own] = [one.take(), new Uint8Array(BLOCK_BYTES)];
    other.give([block, own]);
    other.end();
    const next = new Blocks(reserve);
    const given = [next.take().buffer, next.take().buffer];
    expect(given).not.toContain(block.buffer);
    expect(given).not.toContain(own.buffer);
  });

  it("leaves an ended run's blocks to the next, without what was in them", () => {
    const reserve = new BlockReserve();
    const ended = new Blocks(reserve);
    const blocks = [ended.take(), ended.take()];
    for (const block of blocks) block.fill(7);
    ended.give(blocks);
    ended.end();
    const next = new Blocks(reserve);
    const given = [next.take(), next.take()];
    expect(new Set(given.map(({ buffer }) => buffer))).toEqual(new Set(blocks.map(({ buffer }) => buffer)));
    for (const block of given) expect(block.every((byte) => byte === 0)).toBe(true);
  });

  it("keeps what is still being looked at from everybody, and takes it back when it comes after the end", () => {
    const reserve = new BlockReserve();
    const ended = new Blocks(reserve);
    const late = ended.take();
    ended.end();
    const next = new Blocks(reserve);
    expect(next.take().buffer).not.toBe(late.buffer);
    ended.give([part(late)]);
    expect(next.take().buffer).toBe(late.buffer);
    expect(ended.take().buffer).not.toBe(late.buffer);
  });
});
