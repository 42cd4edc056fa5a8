/**
 * Memories are used again by later runs of the same component in the same executor. A run must not read one byte of an
 * earlier one: a guest fills everything that it has with a secret, and the next looks for it everywhere.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { createMemoryPool } from "../../src/sandbox/executor/memory-pool.ts";
import { spareLimit } from "../../src/sandbox/executor/spare-limit.ts";
import { componentOf, LOG_IMPORT } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const PAGES = 40;
const BYTES = PAGES * 65_536;
/** In the data segment at 1,000; all else is zero at the start. */
const IMAGE_SUM = 1 + 2 + 3 + 4;

/**
 * `fill` leaves its argument in every byte of memory, in globals, in a table and in the handle table, and ends as it is
 * told; `search` says what a fresh instance finds: sum of all bytes, size, globals, table, first free handle.
 */
const GUEST = `(component ${LOG_IMPORT}
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core module $m
    (import "r" "new" (func $new (param i32) (result i32)))
    (memory (export "memory") ${PAGES})
    (data (i32.const 1000) "\\01\\02\\03\\04")
    (global $kept (mut i32) (i32.const 0))
    (table $t 4 funcref)
    (elem declare func $f)
    (func $f)
    (func (export "fill") (param $value i32) (param $end i32)
      (memory.fill (i32.const 0) (local.get $value) (i32.const ${BYTES}))
      (global.set $kept (local.get $value))
      (table.set $t (i32.const 2) (ref.func $f))
      (drop (call $new (local.get $value))) (drop (call $new (local.get $value)))
      (if (i32.eq (local.get $end) (i32.const 1)) (then unreachable))
      (if (i32.eq (local.get $end) (i32.const 2)) (then (drop (memory.grow (i32.const 3)))))
      (if (i32.eq (local.get $end) (i32.const 3)) (then (loop $again (br $again)))))
    (func (export "search") (result i64)
      (local $at i32) (local $sum i64)
      (loop $again
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.load8_u (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $at) (i32.const ${BYTES}))))
      (if (i32.ne (memory.size) (i32.const ${PAGES})) (then (return (i64.const -1))))
      (if (global.get $kept) (then (return (i64.const -2))))
      (if (i32.eqz (ref.is_null (table.get $t (i32.const 2)))) (then (return (i64.const -3))))
      (if (i32.ne (call $new (i32.const 7)) (i32.const 1)) (then (return (i64.const -4))))
      (local.get $sum)))
  (core instance $i (instantiate $m (with "r" (instance (export "new" (func $new))))))
  (func (export "fill") (param "value" u8) (param "end" u8) (canon lift (core func $i "fill")))
  (func (export "search") (result s64) (canon lift (core func $i "search"))))`;

let box: TestSandbox;
let guest: SandboxComponent;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
  guest = await componentOf(GUEST);
});
afterAll(() => box.close());

const search = () => box.call(guest, "search", {}, { fuel: 1e9 });

describe("run() of a guest that looks for what an earlier one left", () => {
  const ENDS = [
    ["returned", 0, { kind: "completed" }],
    ["trapped", 1, { kind: "trapped", reason: "unreachable" }],
    ["had grown its memory", 2, { kind: "completed" }],
    ["ran out of fuel", 3, { kind: "exhausted", budget: "fuel" }],
  ] as const;
  it.each(ENDS)("finds nothing after one that %s", async (_how, end, outcome) => {
    for (const value of [0xa5, 0xff]) {
      const filled = await box.call(guest, "fill", { value, end }, { fuel: 1e8 });
      expect(filled.outcome).toEqual(outcome);
      expect(await search()).toMatchObject({ outcome: { kind: "completed" }, output: IMAGE_SUM });
    }
  });

  it("finds nothing of many at once", async () => {
    const fills = Array.from({ length: 12 }, (_, index) =>
      box.call(guest, "fill", { value: index + 1, end: index % 3 }, { fuel: 1e8 }),
    );
    const searches = Array.from({ length: 12 }, search);
    await Promise.all(fills);
    for (const end of await Promise.all(searches)) expect(end.output).toBe(IMAGE_SUM);
    expect((await search()).output).toBe(IMAGE_SUM);
  });

  it("finds nothing of another tool's", async () => {
    const other = await componentOf(GUEST.replace("\\01\\02\\03\\04", "\\01\\02\\03\\05"));
    await box.call(guest, "fill", { value: 0x77, end: 0 }, { fuel: 1e8 });
    expect((await box.call(other, "search", {}, { fuel: 1e9 })).output).toBe(IMAGE_SUM + 1);
    expect((await search()).output).toBe(IMAGE_SUM);
  });
});

describe("createMemoryPool()", () => {
  const image = {
    initialPages: 2,
    maximumPages: 4,
    runs: [{ at: 70_000, bytes: 3 }],
    image: Uint8Array.of(1, 2, 3),
  };
  const fresh = new Uint8Array(2 * 65_536);
  fresh.set([1, 2, 3], 70_000);
  function taken(pool = createMemoryPool([image])) {
    const memory = pool.take(0);
    if (memory === undefined) throw new TypeError("no memory");
    return { pool, memory };
  }

  it("gives the same memory again, as it was", () => {
    const { pool, memory } = taken();
    new Uint8Array(memory.buffer).fill(0xee);
    pool.give(0, memory);
    const again = taken(pool).memory;
    expect(again).toBe(memory);
    expect(new Uint8Array(again.buffer)).toEqual(fresh);
  });

  it("clears what lies before, between and behind the runs of an image", () => {
    const runs = [
      { at: 5, bytes: 2 },
      { at: 66_000, bytes: 1 },
      { at: 131_070, bytes: 2 },
    ];
    const wanted = new Uint8Array(2 * 65_536);
    wanted.set([1, 2], 5);
    wanted.set([3], 66_000);
    wanted.set([4, 5], 131_070);
    const { pool, memory } = taken(
      createMemoryPool([{ ...image, runs, image: Uint8Array.of(1, 2, 3, 4, 5) }]),
    );
    new Uint8Array(memory.buffer).fill(0xee);
    pool.give(0, memory);
    expect(new Uint8Array(taken(pool).memory.buffer)).toEqual(wanted);
  });

  it("gives no memory to two runs", () => {
    const { pool, memory } = taken();
    expect(taken(pool).memory).not.toBe(memory);
    pool.give(0, memory);
    expect(taken(pool).memory).toBe(memory);
    expect(taken(pool).memory).not.toBe(memory);
  });

  it("never gives one again that has grown", () => {
    const { pool, memory } = taken();
    memory.grow(1);
    pool.give(0, memory);
    const again = taken(pool).memory;
    expect(again).not.toBe(memory);
    expect(new Uint8Array(again.buffer)).toEqual(fresh);
  });

  it("keeps only a few", () => {
    const { pool } = taken();
    const many = Array.from({ length: 70 }, () => taken(pool).memory);
    for (const memory of many) pool.give(0, memory);
    const again = Array.from({ length: 70 }, () => taken(pool).memory);
    expect(again.filter((memory) => many.includes(memory))).toHaveLength(64);
  });

  it("makes none for a module that has its own", () => {
    expect(createMemoryPool([null]).take(0)).toBeUndefined();
  });
});

describe("spareLimit()", () => {
  const MIB = 1024 * 1024;
  it.each([
    ["no memory at all", 0, 64],
    ["a page", 65_536, 64],
    ["what leaves room for some", 2 * MIB, 16],
    ["a bit more than that", 2 * MIB + 1, 15],
    ["as much as a large engine", 9.5 * MIB, 4],
    ["more than all together may", 128 * MIB, 4],
  ])("of %s", (_name, bytes, most) => expect(spareLimit(bytes)).toBe(most));
});
