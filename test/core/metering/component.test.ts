/**
 * Several core modules on one budget, linked as the parts of a component are; and what the host reads when one of
 * them traps.
 */

import { expect, test } from "vitest";
import { FIRST_SLICE, instrument, SLICE, SLICE_GROWTH } from "../../../src/core/metering/index.ts";
import {
  assemble,
  callExport,
  createCounters,
  instantiateWith,
  PLENTY,
  ROOMY,
  resetCounters,
} from "./support.ts";

test("instrument() charges calls between modules to one budget", async () => {
  const counters = createCounters(PLENTY);
  const a = instantiateWith(
    counters,
    await assemble(
      `(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`,
    ),
  );
  const b = instantiateWith(
    counters,
    await assemble(`(module (import "a" "add" (func $add (param i32 i32) (result i32)))
      (func (export "f") (param i32) (result i32)
        (call $add (local.get 0) (call $add (i32.const 1) (i32.const 2)))))`),
    { a: a.exports },
  );
  expect(b.call("f", 4)).toBe(7);
  expect(counters.budget - counters.left.value).toBe(16n);
});

test("instrument() lets modules share a table of functions, imports in it included", async () => {
  const counters = createCounters(PLENTY);
  // The way that components lower imports: a shim owns the table, its caller comes next, a third module fills it.
  const shim = instantiateWith(
    counters,
    await assemble(`(module (type $t (func (param i32) (result i32))) (table (export "$imports") 2 2 funcref)
      (func (export "0") (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 0)))
      (func (export "1") (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 1))))`),
  );
  const main = instantiateWith(
    counters,
    await assemble(`(module (import "shim" "0" (func $0 (param i32) (result i32)))
      (import "shim" "1" (func $1 (param i32) (result i32)))
      (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
      (func (export "f") (param i32) (result i32) (i32.add (call $0 (local.get 0)) (call $1 (local.get 0)))))`),
    { shim: shim.exports },
  );
  const seen: bigint[] = [];
  const host = (value: number): number => {
    seen.push(counters.budget - counters.left.value);
    counters.left.value -= 1000n; // the host charges for its own work
    return Number(callExport(main.exports, "inc", [value])) * 2;
  };
  instantiateWith(
    counters,
    await assemble(`(module (import "shim" "$imports" (table 2 2 funcref)) (import "" "host" (func $h (param i32) (result i32)))
      (import "main" "inc" (func $i (param i32) (result i32))) (elem (i32.const 0) func $h $i))`),
    { "": { host }, main: main.exports, shim: shim.exports },
  );
  expect(main.call("f", 10)).toBe(33);
  expect(seen).toEqual([13n]);
  expect(counters.budget - counters.left.value).toBe(1034n);
  expect(counters.depth.value).toBe(0);
});

test("instrument() counts budgets that are larger than what it holds at once", async () => {
  for (const budget of [(1n << 48n) - 1n, 1n << 48n, (1n << 48n) + 5n, (1n << 53n) - 1n, (1n << 62n) - 1n]) {
    const counters = createCounters(budget);
    const guest = instantiateWith(
      counters,
      await assemble(`(module (import "" "nothing" (func $nothing)) (tag $e)
        (func $deep (param i32) (call $nothing) (if (local.get 0) (then (throw $e))))
        (func (export "f") (param i32)
          (block $h (try_table (catch $e $h) (br_if $h (i32.eq (local.get 0) (i32.const 2))) (call $deep (local.get 0))))
          (call $nothing)))`),
      { "": { nothing: () => {} } },
    );
    guest.call("f", 0);
    guest.call("f", 1);
    guest.call("f", 2);
    expect(budget - counters.left.value).toBe(293n);
  }
});

test("instrument() stops a guest whose host call spent the rest", async () => {
  const counters = createCounters(PLENTY);
  const spend = (): void => {
    counters.left.value = -1n;
  };
  const guest = instantiateWith(
    counters,
    await assemble(
      `(module (import "" "spend" (func $spend)) (func (export "f") (call $spend) (loop $l (br $l))))`,
    ),
    { "": { spend } },
  );
  expect(() => guest.call("f")).toThrow(WebAssembly.RuntimeError);
  expect(counters.left.value).toBeLessThan(0n);
});

test("instrument() counts depth through the host and gives it back", async () => {
  const counters = createCounters(PLENTY);
  let deepest = 0;
  const again = (): void => {
    deepest = Math.max(deepest, counters.depth.value);
    callExport(guest.exports, "f", []);
  };
  const guest = instantiateWith(
    counters,
    await assemble(`(module (import "" "again" (func $again)) (func (export "f") (call $again)))`),
    { "": { again } },
    { maxMemoryBytes: 0, maxCallDepth: 20 },
  );
  expect(() => guest.call("f")).toThrow(WebAssembly.RuntimeError);
  expect(deepest).toBe(25); // what an import calls, and the way there, may take five frames uncounted
  expect(counters.depth.value).toBeLessThan(0);
});

/** How a guest traps behind a loop, and whether the host's reading is exact. */
const TRAPS = {
  "unreachable (a panic)": ["(unreachable)", true],
  "a load out of bounds": ["(drop (i32.load (i32.const -4)))", false],
  "a division by zero": ["(drop (i32.div_u (i32.const 1) (i32.const 0)))", false],
  "a call through an empty table": ["(call_indirect (i32.const 0))", false],
} as const;

for (const [name, [trap, isExact]] of Object.entries(TRAPS)) {
  test(`instrument() leaves the host what was used before ${name}`, async () => {
    const wasm = await assemble(`(module (memory 1) (table 1 funcref) (func $inner (param i32)
        (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0))) ${trap})
      (func (export "f") (param i32) (call $inner (local.get 0))))`);
    for (const turns of [1, 80, 90, 200, 1000, 10_000, 12_345, 1_000_000]) {
      const counters = createCounters(PLENTY);
      const guest = instantiateWith(counters, wasm);
      resetCounters(counters, PLENTY);
      expect(() => guest.call("f", turns)).toThrow(WebAssembly.RuntimeError);
      const used = Number(PLENTY - counters.left.value);
      const exact = turns * 6 + 5;
      const slack = isExact ? 0 : Math.min(SLICE, Math.max(FIRST_SLICE, FIRST_SLICE + exact / SLICE_GROWTH));
      expect(used).toBeGreaterThanOrEqual(exact);
      expect(used).toBeLessThanOrEqual(exact + slack);
    }
  });
}

const TWO_GROUPS = `(rec (type $a (sub (func))) (type (struct (field (ref $a)))))
  (rec (type $b (sub (func))) (type (struct (field (ref $a)))))`;
/** Modules that export `f`, and whether others that import it must link: plain and metered alike. */
const LINKS: Readonly<Record<string, readonly [exported: string, imported: string]>> = {
  "the same groups": [
    `${TWO_GROUPS} (func (export "f") (type $b))`,
    `${TWO_GROUPS} (func (import "m" "f") (type $b))`,
  ],
  "a struct beside it that names another group": [
    `${TWO_GROUPS} (func (export "f") (type $b))`,
    `${TWO_GROUPS} (func (import "m" "f") (type $a))`,
  ],
  "a supertype that is another group's": [
    `(rec (type $a (sub (func))) (type $c (sub $a (func)))) (rec (type $b (sub (func))) (type $d (sub $a (func))))
      (func (export "f") (type $b))`,
    `(rec (type $a (sub (func))) (type $c (sub $a (func)))) (func (import "m" "f") (type $a))`,
  ],
  "a parameter of its own type, and of an equal one": [
    `(type $a (func (param (ref null $a)))) (type $b (func (param (ref null $a)))) (func (export "f") (type $b))`,
    `(type $a (func (param (ref null $a)))) (func (import "m" "f") (type $a))`,
  ],
};

for (const [name, sides] of Object.entries(LINKS)) {
  test(`instrument() lets functions link or not as they were: ${name}`, async () => {
    const [exporter, importer] = await Promise.all(sides.map((fields) => assemble(`(module ${fields})`)));
    if (exporter === undefined || importer === undefined) throw new TypeError("Two modules are needed");
    const links = (rewrite: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): boolean => {
      const { left, depth } = createCounters(PLENTY);
      const fuel = { "writ:fuel": { left, depth } };
      const m = new WebAssembly.Instance(new WebAssembly.Module(rewrite(exporter)), fuel).exports;
      const module = new WebAssembly.Module(rewrite(importer));
      try {
        new WebAssembly.Instance(module, { ...fuel, m });
        return true;
      } catch (error) {
        if (error instanceof WebAssembly.LinkError) return false;
        throw error;
      }
    };
    expect(links((wasm) => instrument(wasm, ROOMY).wasm)).toBe(links((wasm) => wasm));
  });
}

test("instrument() takes a long chain of types", async () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => `(type (struct (field (ref null ${i}))))`).join(" ");
  const wasm = await assemble(`(module (type (struct)) ${chain}
    (rec (type $f (func (param (ref null $f) (ref null 20000))))) (func (export "f") (type $f)))`);
  expect(WebAssembly.validate(instrument(wasm, ROOMY).wasm)).toBe(true);
});
