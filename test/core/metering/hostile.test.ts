/**
 * Guests that try to run without paying, to survive their end, or to reach the meter.
 */

import { expect, test } from "vitest";
import { GatewayError } from "../../../src/core/errors.ts";
import { FUEL_IMPORT, instrument, REFUSED_GROWTH } from "../../../src/core/metering/index.ts";
import type { MeteredInstance } from "./support.ts";
import {
  assemble,
  callExport,
  createCounters,
  instantiateMetered,
  instantiateWith,
  PLENTY,
  ROOMY,
} from "./support.ts";

const SPINS = {
  "an empty loop": `(func (export "f") (loop $l (br $l)))`,
  "a loop in try_table with catch_all": `(func (export "f") (loop $again (block $h
    (try_table (catch_all $h) (loop $l (br $l)))) (br $again)))`,
  "a loop in a legacy try with catch_all": `(func (export "f") try loop $l br $l end catch_all loop $m br $m end end)`,
  "a loop through br_table": `(func (export "f") (loop $l (br_table $l $l (i32.const 5))))`,
  "a loop through br_on_null": `(func (export "f") (loop $l (br_on_null $l (ref.null func)) (drop)))`,
  "a tail call to itself": `(func $f (export "f") (return_call $f))`,
  "an indirect tail call to itself": `(table funcref (elem $f)) (type $t (func))
    (func $f (export "f") (return_call_indirect (type $t) (i32.const 0)))`,
  "two tail calls": `(func $g (return_call $f)) (func $f (export "f") (return_call $g))`,
  "a tail call by reference to itself": `(type $t (func)) (elem declare func $f)
    (func $f (export "f") (type $t) (return_call_ref $t (ref.func $f)))`,
  "a fill of nothing, for ever": `(memory 1) (func (export "f")
    (loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (br $l)))`,
  "growth by nothing, for ever": `(memory 1) (table 1 funcref) (func (export "f") (loop $l
    (drop (memory.grow (i32.const 0))) (drop (table.grow (ref.null func) (i32.const 0))) (br $l)))`,
  "segments dropped for ever": `(memory 1) (func $g) (data $d "abc") (elem $e func $g)
    (func (export "f") (loop $l (data.drop $d) (elem.drop $e) (br $l)))`,
  "blocks of 900 results": `(func (export "f") (loop $l (block (result ${"i32 ".repeat(900)})
    ${"(i32.const 1) ".repeat(900)} (br 0)) ${"drop ".repeat(900)} (br $l)))`,
  "what throws again what it caught": `(tag $t) (func (export "f") (loop $l (drop (block $x (result exnref)
    (try_table (catch_all_ref $x) (throw_ref (block $y (result exnref)
      (try_table (catch_all_ref $y) (throw $t)) (unreachable)))) (unreachable))) (br $l)))`,
  "a throw and catch loop": `(tag $t) (func (export "f") (loop $l (try_table (catch $t $l) (throw $t))))`,
} as const;

for (const [name, fields] of Object.entries(SPINS)) {
  test(`instrument() stops ${name} by a trap`, async () => {
    const instance = instantiateMetered(await assemble(`(module ${fields})`), { budget: 10_000n });
    expect(() => instance.call("f")).toThrow(WebAssembly.RuntimeError);
    expect(instance.left()).toBeLessThan(0n);
    expect(instance.used() - 10_000n).toBeLessThanOrEqual(200n);
  });
}

test("instrument() lets nothing run on a budget of 0", async () => {
  const wat = `(module (global $g (export "g") (mut i32) (i32.const 0))
    (func (export "f") (global.set $g (i32.const 1))))`;
  const instance = instantiateMetered(await assemble(wat), { budget: 0n });
  expect(() => instance.call("f")).toThrow(WebAssembly.RuntimeError);
  expect(globalOf(instance, "g")).toBe(0);
  expect(instance.left()).toBeLessThan(0n);
});

for (const budget of [1n, 2n]) {
  test(`instrument() exhausts a budget of ${budget} in a small function`, async () => {
    const wat = `(module (global $g (export "g") (mut i32) (i32.const 0))
      (func (export "f") (global.set $g (i32.const 1))))`;
    const instance = instantiateMetered(await assemble(wat), { budget });
    expect(() => instance.call("f")).toThrow(WebAssembly.RuntimeError);
    expect(instance.left()).toBeLessThan(0n);
  });
}

test("instrument() lets a guest end that uses its budget to the unit", async () => {
  const instance = instantiateMetered(await assemble(`(module (func (export "f") (drop (i32.const 1))))`), {
    budget: 2n,
  });
  instance.call("f");
  expect(instance.left()).toBe(0n);
});

test("instrument() charges a bulk operation before it acts", async () => {
  const wat = `(module (memory (export "m") 2) (func (export "f")
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))))`;
  const instance = instantiateMetered(await assemble(wat), { budget: 5000n });
  expect(() => instance.call("f")).toThrow(WebAssembly.RuntimeError);
  const memory = instance.exports.m;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError("No exported memory");
  expect(new Uint8Array(memory.buffer)[0]).toBe(0);
  expect(instance.left()).toBeLessThan(0n);
});

test("instrument() is not overflowed by 64-bit sizes", async () => {
  const wat = `(module (memory i64 1) (table $t i64 1 funcref)
    (func (export "fill") (param i64) (memory.fill (i64.const 0) (i32.const 1) (local.get 0)))
    (func (export "table") (param i64) (table.fill $t (i64.const 0) (ref.null func) (local.get 0)))
    (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))`;
  for (const size of [-1n, 1n << 63n, 1n << 62n, 1n << 40n]) {
    for (const name of ["fill", "table"]) {
      const instance = instantiateMetered(await assemble(wat));
      expect(() => instance.call(name, size)).toThrow(WebAssembly.RuntimeError);
      expect(instance.used()).toBeGreaterThan(1n << 29n);
    }
    const instance = instantiateMetered(await assemble(wat));
    expect(instance.call("grow", size)).toBe(-1n);
    expect(instance.used()).toBe(514n);
  }
});

test("instrument() notes a growth that is refused below the module's own maximum, where it is asked to", async () => {
  const cases: readonly (readonly [defined: string, by: string, grows: boolean, refused: number])[] = [
    ["memory 1", "i32.const 3", true, 0],
    ["memory 1", "i32.const 4", false, REFUSED_GROWTH.memory],
    ["memory i64 1", "i64.const 4", false, REFUSED_GROWTH.memory],
    ["memory 1 4", "i32.const 4", false, 0], // its own
    ["memory 1 3", "i32.const 3", false, 0],
    ["memory 1 100", "i32.const 4", false, REFUSED_GROWTH.memory],
    ["table 1 funcref", "i32.const 9", true, 0],
    ["table 1 funcref", "i32.const 10", false, REFUSED_GROWTH.table],
    ["table i64 1 funcref", "i64.const 10", false, REFUSED_GROWTH.table],
    ["table 1 10 funcref", "i32.const 10", false, 0], // its own
    ["table 1 100 funcref", "i32.const 10", false, REFUSED_GROWTH.table],
  ];
  for (const [defined, by, grows, expected] of cases) {
    const kind = defined.startsWith("table") ? "table" : "memory";
    const wasm = await assemble(`(module (${defined}) (func (export "f") (result ${by.slice(0, 3)})
      (${kind}.grow ${kind === "table" ? "(ref.null func)" : ""} (${by}))))`);
    const counters = createCounters(PLENTY);
    const refused = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
    const metered = instrument(wasm, {
      maxMemoryBytes: 4 * 65_536,
      maxTableElements: 10,
      noteRefusals: true,
    }).wasm;
    const { left, depth } = counters;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(metered), {
      [FUEL_IMPORT.module]: { left, depth, [FUEL_IMPORT.refused.name]: refused },
    });
    expect(Number(callExport(exports, "f", [])) !== -1, `${defined}, ${by}`).toBe(grows);
    expect(refused.value, `${defined}, ${by}`).toBe(expected);
    expect(left.value).toBeGreaterThan(0n);
  }
});

test("instrument() meters start functions", async () => {
  const wasm = await assemble(`(module (func $s (loop $l (br $l))) (start $s))`);
  const counters = createCounters(1000n);
  expect(() => instantiateWith(counters, wasm)).toThrow(WebAssembly.RuntimeError);
  expect(counters.left.value).toBeLessThan(0n);
});

test("instrument() stops recursion at the same depth whatever the frames return", async () => {
  for (const [maxCallDepth, deepest] of [
    [10, 10],
    [1000, 1000],
  ] as const) {
    const wat = `(module (global $n (export "n") (mut i32) (i32.const 0))
      (func $f (export "f") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $f)))`;
    const instance = instantiateMetered(await assemble(wat), { limits: { ...ROOMY, maxCallDepth } });
    expect(() => instance.call("f")).toThrow(WebAssembly.RuntimeError);
    expect(globalOf(instance, "n")).toBe(deepest);
    expect(instance.depth()).toBeLessThan(0);
    expect(instance.left()).toBeGreaterThan(0n);
  }
});

/** Recursion of all shapes, without an end; each call has as much on the native stack as it can. */
const DEEP: Record<string, string> = {
  "small frames": `(func $f (export "f") (call $f))`,
  "frames with values that outlive the call": `(func $f (export "f") (param i64) (result i64)
    ${locals("i64", 20)} (i64.add (call $f (i64.add (local.get 0) (i64.const 1))) (local.get 0)))`,
  "vectors that outlive the call": `(func $f (export "f") (result i64) (local v128 v128 v128 v128 v128 v128 v128 v128)
    (local.set 0 (i64x2.splat (call $f))) (i64x2.extract_lane 0 (local.get 0)))`,
  "a chain of functions": chain(7, 6, "call $f0"),
  "a chain too long for its callers": chain(12, 20, "call $f0"),
  "by way of a table": chain(1, 12, "call_indirect (type $t) (i32.const 0)"),
  "a chain by way of a table": chain(3, 2, "call_indirect (type $t) (i32.const 0)"),
  "a long chain by way of a table": chain(9, 14, "call_indirect (type $t) (i32.const 0)"),
  "in its own stead into a chain": `(func $f (export "f") (call $g) (nop)) (func $g (return_call $h))
    (func $h ${locals("i64", 30)} (call $f) (nop))`,
  "in its own stead by way of a table": `(type $t (func)) (table funcref (elem $h))
    (func $f (export "f") (call $g) (nop)) (func $g ${locals("i64", 200)} (return_call_indirect (type $t) (i32.const 0)))
    (func $h ${locals("i64", 30)} (call $f) (nop))`,
  "into what never comes back": `(func $f (export "f") (call $p)) (func $p (call $f) (unreachable))`,
  "into what never comes back, far from what counts": `(type $t (func)) ${[...Array(20).keys()]
    .map((i) => `(func $f${i} ${i === 0 ? '(export "f")' : ""} ${locals("i64", 30)} (call $f${i + 1}) (nop))`)
    .join(" ")} (func $f20 (call $p)) (func $p (call $f0) (unreachable))`,
  "by way of a table into what never comes back": `(type $t (func)) (table funcref (elem $p))
    (func $f (export "f") (call_indirect (type $t) (i32.const 0)) (nop)) (func $p (call $f) (unreachable))`,
};

/** As many values as there may be, kept or passed: frames that have no locals and are large all the same. */
const MANY = {
  operands: (call: string) => `${many(900, "(i64.load (i32.const 0))")} ${call} ${many(900, "drop")}`,
  vectors: (call: string) => `${many(400, "(v128.load (i32.const 0))")} ${call} ${many(400, "drop")}`,
  "vectors of a global": (call: string) => `${many(400, "(global.get $v)")} ${call} ${many(400, "drop")}`,
} as const;
for (const [name, frame] of Object.entries(MANY)) {
  const head = `(memory 1) (type $t (func)) (table funcref (elem $f))
    (global $v (mut v128) (v128.const i64x2 1 2))`;
  const start = `(func $f (export "f") (type $t)`;
  DEEP[`${name} over a call`] = `${head} ${start} ${frame("(call $f)")})`;
  DEEP[`${name} over a call by way of a table`] =
    `${head} ${start} ${frame("(call_indirect (type $t) (i32.const 0))")})`;
  DEEP[`${name} over a call by reference`] = `${head} ${start} ${frame("(call_ref $t (ref.func $f))")})`;
  DEEP[`${name} over calls of three in turn`] = `${head} ${start} ${frame("(call $g)")})
    (func $g ${frame("(call $h)")}) (func $h ${frame("(call $f)")})`;
  DEEP[`${name} over a call in another's stead`] = `${head} ${start} ${frame("(call $g)")})
    (func $g (return_call $f))`;
}
for (const type of ["i64", "f64", "v128"]) {
  const [params, results] = [`(param ${many(990, type)})`, `(result ${many(990, type)})`];
  const values = many(990, `(${type}.load (i32.const 0))`);
  const [head, drops] = ["(memory 1)", many(990, "drop")];
  DEEP[`${type} parameters`] =
    `${head} (func $f ${params} ${values} (call $f)) (func (export "f") ${values} (call $f))`;
  DEEP[`${type} results`] = `${head} (func $f ${results} (call $f) ${drops} ${values})
    (func (export "f") (call $f) ${drops})`;
  DEEP[`${type} parameters and results, by way of a table`] = `${head} (type $t (func ${params} ${results}))
    (table funcref (elem $f)) (func $f (type $t) ${values} (call_indirect (type $t) (i32.const 0)))
    (func (export "f") ${values} (call $f) ${drops})`;
  DEEP[`${type} parameters, in another's stead`] = `${head} (func $f ${params} (call $g) (nop))
    (func $g ${values} (return_call $f)) (func (export "f") (call $g))`;
}

function many(count: number, text: string): string {
  return `${text} `.repeat(count);
}

function locals(type: string, count: number): string {
  return `(local ${`${type} `.repeat(count)})`;
}

/** `length` functions that call one another, the last one as told. */
function chain(length: number, locals64: number, last: string): string {
  const bodies = Array.from({ length }, (_, i) => {
    const call = i === length - 1 ? `(${last})` : `(call $f${i + 1})`;
    const live = Array.from(
      { length: locals64 },
      (__, l) => `(local.set ${l} (i64.load (i32.const ${l * 8})))`,
    );
    const used = Array.from(
      { length: locals64 },
      (__, l) => `(i64.store (i32.const ${l * 8}) (local.get ${l}))`,
    );
    return `(func $f${i} ${i === 0 ? '(export "f")' : ""} (type $t) ${locals("i64", locals64)}
      ${live.join(" ")} ${call} ${used.join(" ")})`;
  });
  return `(type $t (func)) (memory 1) (table funcref (elem $f0)) ${bodies.join("\n")}`;
}

for (const [name, wat] of Object.entries(DEEP)) {
  test(`instrument() ends recursion before the native stack does: ${name}`, async () => {
    const instance = instantiateMetered(await assemble(`(module ${wat})`));
    expect(() => instance.call("f", 0n)).toThrow(WebAssembly.RuntimeError);
    expect(instance.depth()).toBeLessThan(0);
    expect(instance.left()).toBeGreaterThan(0n);
  });
}

test("instrument() gives the depth of a call back where an exception comes out of it", async () => {
  const wat = `(module (tag $t) (type $f (func)) (table funcref (elem $throws $again))
    (func $throws (throw $t))
    (func $again (param i32) (if (local.get 0) (then (call $again (i32.const 0)))) (throw $t))
    (func (export "f") (param i32)
      (loop $l
        (block $h (try_table (catch $t $h) (call_indirect (type $f) (i32.const 0))))
        (block $h (try_table (catch $t $h) (call $again (i32.const 1))))
        (block $h (try_table (catch_all $h) (call_indirect (param i32) (i32.const 1) (i32.const 1))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`;
  const instance = instantiateMetered(await assemble(wat), { limits: { ...ROOMY, maxCallDepth: 8 } });
  instance.call("f", 100);
  expect(instance.depth()).toBe(0);
});

test("instrument() gives call depth back on every way out of a frame", async () => {
  const wat = `(module (tag $t)
    (func $a (param i32) (result i32) (if (result i32) (local.get 0) (then (return (i32.const 1))) (else (i32.const 2))))
    (func $b (result i32) (br 0 (i32.const 3)))
    (func $c (result i32) (return_call $b))
    (func $d (throw $t))
    (func $e (result i32) (call $d) (i32.const 1))
    (func (export "f") (result i32)
      (drop (call $a (i32.const 0))) (drop (call $a (i32.const 1))) (drop (call $c))
      (block $h (try_table (catch $t $h) (drop (call $e)))) (i32.const 4)))`;
  const instance = instantiateMetered(await assemble(wat), { limits: { ...ROOMY, maxCallDepth: 3 } });
  for (let turn = 0; turn < 5; turn += 1) expect(instance.call("f")).toBe(4);
  expect(instance.depth()).toBe(0);
});

function globalOf(instance: MeteredInstance, name: string): unknown {
  const global = instance.exports[name];
  if (!(global instanceof WebAssembly.Global)) throw new TypeError(`No exported global "${name}"`);
  return global.value;
}

const REFUSED = {
  "imports of the counter": [`(module (import "writ:fuel" "left" (global (mut i64))))`, "writ:fuel"],
  "shared memory": [`(module (memory 1 2 shared))`, "shared memory"],
  atomics: [`(module (memory 1) (func (result i32) (i32.atomic.load (i32.const 0))))`, "atomic operator"],
  "relaxed SIMD": [
    `(module (func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))`,
    "relaxed SIMD",
  ],
  "a memory above the cap": [`(module (memory 2000))`, "2000 memory pages"],
  "memories above the cap together": [`(module (memory 600) (memory 600))`, "1200 memory pages"],
  "a table above the cap": [`(module (table 2000000 funcref))`, "2000000 table elements"],
} as const;

for (const [name, [wat, reason]] of Object.entries(REFUSED)) {
  test(`instrument() refuses ${name} by name`, async () => {
    const wasm = await assemble(wat);
    expect(() => instrument(wasm, ROOMY)).toThrow(GatewayError);
    expect(() => instrument(wasm, ROOMY)).toThrow(reason);
  });
}

test("instrument() refuses every truncation of a module or leaves it invalid", async () => {
  const wasm = await assemble(`(module (memory 1) (func (export "f") (param i32) (result i32)
    (block (br_if 0 (local.get 0))) (i32.load offset=4 (local.get 0))) (data (i32.const 0) "abc"))`);
  for (let length = 0; length < wasm.length; length += 1) {
    const cut = wasm.slice(0, length);
    if (WebAssembly.validate(cut)) continue;
    let metered: Uint8Array<ArrayBuffer> | undefined;
    try {
      metered = instrument(cut, ROOMY).wasm;
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
    }
    if (metered !== undefined) expect(WebAssembly.validate(metered)).toBe(false);
  }
});

test("instrument() takes a table of 20,000 branches in a loop in its stride", async () => {
  const many = 20_000;
  const wat = `(module (func (export "f") (param i32) (result i32) (loop $l
    ${"(block ".repeat(many)} (br_table ${Array.from({ length: many }, (_, i) => many - 1 - i).join(" ")} (local.get 0))
    ${")".repeat(many)} (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0)))`;
  const instance = instantiateMetered(await assemble(wat));
  expect(instance.call("f", 100)).toBe(0);
  expect(instance.used()).toBe(2n + 100n * 8n);
});

test("instrument() takes 20,000 loops that each end by the one around it in its stride", async () => {
  const many = 20_000;
  const open = "loop local.get 0 if else br 2 end ";
  const wat = `(module (func (param i32) block loop local.get 0 br_if 1 ${open.repeat(many)}
    unreachable ${"end ".repeat(many)} end end))`;
  expect(WebAssembly.validate(instrument(await assemble(wat), ROOMY).wasm)).toBe(true);
});

test("instrument() ends recursion through instances before the native stack does, whatever crosses", async () => {
  for (const count of [0, 6, 16, 900]) {
    const [params, values] = [`(param ${many(count, "i64")})`, many(count, "(i64.load (i32.const 0))")];
    const wasm = await assemble(`(module (import "" "next" (func $next ${params})) (memory 1)
      (func $f (export "next") ${params} ${values} (call $next) (nop)) (func (export "f") ${values} (call $f)))`);
    const module = new WebAssembly.Module(instrument(wasm, ROOMY).wasm);
    const { left, depth } = createCounters(PLENTY);
    let exports: WebAssembly.Exports = { next: () => expect.unreachable("the depth was not limited") };
    // An instance can not import itself: each calls the one that was made before it.
    for (let i = 0; i < 1000; i += 1) {
      const next = exports.next;
      if (typeof next !== "function") throw new TypeError("No function to import");
      exports = new WebAssembly.Instance(module, { "": { next }, [FUEL_IMPORT.module]: { left, depth } })
        .exports;
    }
    expect(() => callExport(exports, "f", [])).toThrow(WebAssembly.RuntimeError);
    expect(depth.value).toBeLessThan(0);
  }
});
