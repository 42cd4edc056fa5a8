/**
 * Core instances are given to later runs where a guest can not tell: it finds memory, globals, tables and handles as a
 * new one has them, and pays the same.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { componentOf, LOG_IMPORT } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const PAGES = 3;
const BYTES = PAGES * 65_536;

/**
 * Two modules over one memory, with start functions, segments and globals. `fill` leaves its argument wherever it can;
 * `search` tells by its number what it found that is not new, 0 for nothing.
 *
 * @param more code of `fill`; `start` of the first module's start function
 */
const guestOf = ({ more = "", start = "" } = {}) => `(component ${LOG_IMPORT}
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core module $m
    (import "r" "new" (func $new (param i32) (result i32)))
    (memory (export "memory") ${PAGES})
    (data (i32.const 1000) "\\01\\02\\03\\04")
    (global $own (mut i32) (i32.const 11))
    (global $wide (export "wide") (mut i64) (i64.const -12))
    (global $fixed i32 (i32.const 13))
    (table $t (export "table") 4 funcref)
    (elem (i32.const 1) $one)
    (func $one (result i32) (i32.const 1))
    (func $start
      ${start}
      (i32.store (i32.const 2000) (i32.add (i32.load (i32.const 1000)) (i32.const 1)))
      (global.set $own (i32.const 21)))
    (start $start)
    (func (export "fill") (param $value i32) (param $end i32)
      (memory.fill (i32.const 0) (local.get $value) (i32.const ${BYTES}))
      (global.set $own (local.get $value))
      (global.set $wide (i64.extend_i32_u (local.get $value)))
      (drop (call $new (local.get $value))) (drop (call $new (local.get $value)))
      ${more}
      (if (i32.eq (local.get $end) (i32.const 1)) (then unreachable))
      (if (i32.eq (local.get $end) (i32.const 2)) (then (drop (memory.grow (i32.const 1)))))
      (if (i32.eq (local.get $end) (i32.const 3)) (then (loop $again (br $again)))))
    (func (export "search") (result i32)
      (local $at i32) (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $at) (i32.const ${BYTES}))))
      (if (i32.ne (local.get $sum) (i32.const 32)) (then (return (i32.const 1))))
      (if (i32.ne (memory.size) (i32.const ${PAGES})) (then (return (i32.const 2))))
      (if (i32.ne (global.get $own) (i32.const 21)) (then (return (i32.const 3))))
      (if (i64.ne (global.get $wide) (i64.const -12)) (then (return (i32.const 4))))
      (if (i32.ne (call $new (i32.const 7)) (i32.const 1)) (then (return (i32.const 5))))
      (if (i32.ne (call_indirect $t (result i32) (i32.const 1)) (i32.const 1)) (then (return (i32.const 6))))
      (if (i32.eqz (ref.is_null (table.get $t (i32.const 3)))) (then (return (i32.const 7))))
      (i32.const 0)))
  (core module $n
    (import "m" "memory" (memory 1))
    (import "m" "table" (table 4 funcref))
    (data (i32.const 3000) "\\05\\06")
    (elem (i32.const 2) $two)
    (global $kept (mut i32) (i32.const 0))
    (func $two (result i32) (i32.const 2))
    (func $start (i32.store8 (i32.const 3002) (i32.const 0)))
    (start $start)
    (func (export "keep") (param i32) (result i32)
      (global.get $kept) (global.set $kept (local.get 0))))
  (core instance $i (instantiate $m (with "r" (instance (export "new" (func $new))))))
  (core instance $j (instantiate $n (with "m" (instance $i))))
  (func (export "fill") (param "value" u8) (param "end" u8) (canon lift (core func $i "fill")))
  (func (export "search") (result s32) (canon lift (core func $i "search")))
  (func (export "keep") (param "value" s32) (result s32) (canon lift (core func $j "keep"))))`;

let box: TestSandbox;
let guest: SandboxComponent;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
  guest = await componentOf(guestOf());
});
afterAll(() => box.close());

/** Core instances that were made; the executor is in this process. */
let made = 0;
const { Instance } = WebAssembly;
beforeEach(() => {
  made = 0;
  Reflect.set(
    WebAssembly,
    "Instance",
    new Proxy(Instance, {
      construct(target, args) {
        made += 1;
        return Reflect.construct(target, args);
      },
    }),
  );
});
afterEach(() => void Reflect.set(WebAssembly, "Instance", Instance));

const call = (component: SandboxComponent, name: string, input = {}, fuel = 1e8) =>
  box.call(component, name, input, { fuel });

describe("run() in core instances that an earlier run had", () => {
  it("makes none, and costs the same to the unit", async () => {
    const first = await call(guest, "search");
    expect(first).toMatchObject({ outcome: { kind: "completed" }, output: 0 });
    expect(made).toBeGreaterThanOrEqual(2);
    await call(guest, "search");
    made = 0;
    const later = await call(guest, "search");
    expect(made).toBe(0);
    expect(later.output).toBe(0);
    expect(later.fuelUsed).toBe(first.fuelUsed);
    expect(later.memoryPeakBytes).toBe(first.memoryPeakBytes);
  });

  const ENDS = [
    ["returned", 0, { kind: "completed" }],
    ["trapped", 1, { kind: "trapped", reason: "unreachable" }],
    ["had grown its memory", 2, { kind: "completed" }],
    ["ran out of fuel", 3, { kind: "exhausted", budget: "fuel" }],
  ] as const;
  it.each(ENDS)("finds nothing of one that %s", async (_how, end, outcome) => {
    for (const value of [0xa5, 0xff, 0xa5]) {
      expect((await call(guest, "fill", { value, end })).outcome).toEqual(outcome);
      expect(await call(guest, "search")).toMatchObject({ outcome: { kind: "completed" }, output: 0 });
    }
  });

  it("finds the globals of each core instance as they began", async () => {
    for (const value of [4, 5, 6, 7]) expect((await call(guest, "keep", { value })).output).toBe(0);
  });

  it("finds nothing of many at once", async () => {
    const fills = Array.from({ length: 12 }, (_, index) =>
      call(guest, "fill", { value: index + 1, end: index % 3 }),
    );
    const searches = Array.from({ length: 12 }, () => call(guest, "search"));
    await Promise.all(fills);
    for (const { output } of await Promise.all(searches)) expect(output).toBe(0);
  });

  it("ends for want of fuel where a new one would", async () => {
    const { fuelUsed } = await call(guest, "search");
    const full = fuelUsed ?? 0;
    for (const fuel of [1, 20, Math.floor(full / 2), full - 1]) {
      const { outcome } = await call(guest, "search", {}, fuel);
      expect(outcome).toEqual({ kind: "exhausted", budget: "fuel" });
    }
    expect((await call(guest, "search", {}, full)).output).toBe(0);
  });

  const NEVER = [
    ["changes its table", { more: "(table.set $t (i32.const 3) (table.get $t (i32.const 1)))" }],
    ["asks while it is instantiated", { start: "(drop (call $new (i32.const 1)))" }],
  ] as const;
  it.each(NEVER)("is not for a guest that %s", async (_what, parts) => {
    const other = await componentOf(guestOf(parts));
    for (let turn = 0; turn < 4; turn++) {
      made = 0;
      expect((await call(other, "fill", { value: 9, end: 0 })).outcome).toEqual({ kind: "completed" });
      expect(made).toBeGreaterThanOrEqual(2);
      const { output } = await call(other, "search");
      // The one that asks has made a handle by then.
      expect(output).toBe("start" in parts ? 5 : 0);
    }
  });
});
