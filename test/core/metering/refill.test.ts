/**
 * The hook that is called where a guest would be stopped for want of fuel.
 */

import { expect, test } from "vitest";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { assemble, callExport, createCounters, PLENTY, ROOMY, type TestImports } from "./support.ts";

const LOOP = `(func $work (param i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s))`;
const PROGRAM = `(module (import "" "host" (func $host (param i32))) (memory (export "m") 1) (tag $t) ${LOOP}
  (func $odd (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
  (func $even (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
  (func $throw (if (i32.const 1) (then (drop (call $work (i32.const 9))) (throw $t))))
  (func $s (drop (call $work (i32.const 5)))) (start $s)
  (func (export "f") (param i32) (result i32)
    (call $host (local.get 0))
    (block $h (try_table (catch $t $h) (call $throw)))
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000))
    (i32.add (call $work (local.get 0)) (call $even (i32.const 40)))))`;

/** A guest whose host hands out its budget in portions. */
async function inPortions(wat: string, budget: bigint, portion: bigint, imports: TestImports = {}) {
  const counters = createCounters(0n);
  const { left, depth } = counters;
  let [rest, calls] = [budget, 0];
  const refill = (): void => {
    calls += 1;
    while (left.value < 0n && rest > 0n) {
      const given = rest < portion ? rest : portion;
      rest -= given;
      left.value += given;
    }
  };
  const { wasm } = instrument(await assemble(wat), { ...ROOMY, refill: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    ...imports,
    [FUEL_IMPORT.module]: { left, depth, refill },
  });
  return {
    call: (...args: unknown[]) => callExport(exports, "f", args),
    used: () => budget - rest - left.value,
    calls: () => calls,
    left: () => left.value,
  };
}

const QUIET: TestImports = { "": { host: () => {} } };

test("instrument() counts the same with refills as on one budget", async () => {
  const whole = await inPortions(PROGRAM, PLENTY, PLENTY, QUIET);
  const result = whole.call(1000);
  for (const portion of [1n, 2n, 7n, 100n, 4096n, 5000n, 16_384n, 16_385n]) {
    const guest = await inPortions(PROGRAM, PLENTY, portion, QUIET);
    expect(guest.call(1000)).toBe(result);
    expect(guest.used()).toBe(whole.used());
    expect(guest.calls()).toBeGreaterThan(1);
  }
});

test("instrument() stops a guest that is refilled no more, past its budget by what it owed", async () => {
  const whole = await inPortions(PROGRAM, PLENTY, PLENTY, QUIET);
  whole.call(1000);
  for (const short of [1n, 2n, 50n, 3000n]) {
    const guest = await inPortions(PROGRAM, whole.used() - short, 700n, QUIET);
    expect(() => guest.call(1000)).toThrow(WebAssembly.RuntimeError);
    expect(guest.left()).toBeLessThan(0n);
    expect(guest.left()).toBeGreaterThanOrEqual(-200n);
  }
  const guest = await inPortions(PROGRAM, whole.used(), 700n, QUIET);
  guest.call(1000);
  expect(guest.left()).toBe(0n);
});

test("instrument() lets a refill call the guest that waits for it", async () => {
  const counters = createCounters(0n);
  const { left, depth } = counters;
  const depths: number[] = [];
  let exports: WebAssembly.Exports = {};
  const refill = (): void => {
    left.value += 100n;
    if (depths.length >= 3) return;
    depths.push(depth.value);
    callExport(exports, "g", []);
  };
  const wat = `(module ${LOOP} (func (export "g")) (func $deep (drop (call $work (i32.const 2000))))
    (func (export "f") (call $deep)))`;
  const { wasm } = instrument(await assemble(wat), { ...ROOMY, refill: true });
  ({ exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    [FUEL_IMPORT.module]: { left, depth, refill },
  }));
  callExport(exports, "f", []);
  expect(depths[0]).toBe(0);
  expect(depth.value).toBe(0);
});

/** Not in TypeScript's library yet. */
const suspending: (new (call: () => Promise<void>) => WebAssembly.ImportValue) | undefined = Reflect.get(
  WebAssembly,
  "Suspending",
);
const promising: ((call: unknown) => (...args: unknown[]) => Promise<unknown>) | undefined = Reflect.get(
  WebAssembly,
  "promising",
);

test("instrument() lets a guest wait for its refill", async () => {
  if (suspending === undefined || promising === undefined) throw new TypeError("The engine has no JSPI");
  const { left, depth } = createCounters(0n);
  let [given, turns] = [0n, 0];
  const refill = new suspending(async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    turns += 1;
    left.value += 20_000n;
    given += 20_000n;
  });
  const { wasm } = instrument(await assemble(`(module ${LOOP} (export "f" (func $work)))`), {
    ...ROOMY,
    refill: true,
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    [FUEL_IMPORT.module]: { left, depth, refill },
  });
  expect(await promising(exports.f)(20_000)).toBe(200_010_000);
  expect(turns).toBeGreaterThan(5);
  expect(given - left.value).toBe(2n + 20_000n * 9n + 1n);
});

test("instrument() keeps names where the hook moves functions", async () => {
  const wat = `(module $m (import "" "host" (func $host)) (global $g (mut i32) (i32.const 0))
    (func $named (param $p i32) (local $l i32) (block $b (call $host) (global.set $g (local.get $l))))
    (table funcref (elem $named)) (export "f" (func $named)))`;
  const { wasm } = instrument(await assemble(wat), { ...ROOMY, refill: true });
  const { print } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const text = await print(wasm);
  for (const name of ["(func $named (;2;)", "$host", "(local $l i32)", "global.set $g"]) {
    expect(text).toContain(name);
  }
  expect(text).toContain("(elem (;0;) (table 0) (i32.const 0) func $named)");
});
