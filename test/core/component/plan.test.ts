import { describe, expect, it } from "vitest";
import { planLinks } from "../../../src/core/component/index.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import { fromWat } from "./support.ts";

const plan = async (wat: string) => planLinks(await fromWat(wat)).plan;

/** A component in which one nested component calls another. */
const NESTED = `(component
  (component $inner
    (core module $m (func (export "get") (result i32) i32.const 40))
    (core instance $i (instantiate $m))
    (func (export "get") (result u32) (canon lift (core func $i "get"))))
  (component $outer
    (import "get" (func $get (result u32)))
    (core func $lowered (canon lower (func $get)))
    (core module $m (import "x" "get" (func $g (result i32))) (func (export "f") (result i32) (call $g)))
    (core instance $i (instantiate $m (with "x" (instance (export "get" (func $lowered))))))
    (func (export "f") (result u32) (canon lift (core func $i "f"))))
  (instance $a (instantiate $inner))
  (instance $b (instantiate $outer (with "get" (func $a "get"))))
  (export "f" (func $b "f")))`;

function refusalOf(bytes: Uint8Array): string | undefined {
  try {
    planLinks(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError && error.code === "component-refused") return error.message;
    throw error;
  }
}

describe("planLinks()", () => {
  it("flattens nested components into core instances in order, joined by a trampoline", async () => {
    const { instances, trampolines, functions, exports, parents } = await plan(NESTED);
    expect(parents).toEqual([null, 0, 0]);
    expect(instances.map(({ imports }) => imports)).toEqual([
      [],
      [{ module: "x", name: "get", item: { kind: "trampoline", index: 0 } }],
    ]);
    expect(trampolines).toMatchObject([{ kind: "lower", func: 0, options: { instance: 2 } }]);
    expect(functions).toMatchObject([
      { kind: "lifted", core: { kind: "export", instance: 0, name: "get" } },
      { kind: "lifted", core: { kind: "export", instance: 1, name: "f" } },
    ]);
    expect(exports).toEqual([{ interface: null, name: "f", function: 1 }]);
  });

  it("carries no module along that is never instantiated", async () => {
    const { modules } = await plan(`(component (core module (func (export "unused")))
      (core module $m (func (export "f"))) (core instance $i (instantiate $m)))`);
    expect(modules).toHaveLength(1);
  });

  /** An asynchronous export whose result is two core values: too many for one to return, few enough to hand over. */
  const asyncExport = (type: string, core: string) => `(component
    (core module $m
      (import "" "return" (func $return (param ${core})))
      (memory (export "mem") 1)
      (func (export "f") (result i32) unreachable)
      (func (export "turn") (param i32 i32 i32) (result i32) unreachable))
    (core func $return (canon task.return (result ${type})))
    (core instance $i (instantiate $m (with "" (instance (export "return" (func $return))))))
    (func (export "f") async (result ${type})
      (canon lift (core func $i "f") async (callback (core func $i "turn")))))`;

  it("asks an asynchronous lift for no memory: its result comes through task.return", async () => {
    const { functions } = await plan(asyncExport("(tuple u32 u32)", "i32 i32"));
    expect(functions).toMatchObject([{ kind: "lifted", options: { memory: null } }]);
  });

  it("asks task.return for the memory that its result lies in", async () => {
    expect(refusalOf(await fromWat(asyncExport("string", "i32 i32")))).toBe(
      "Cannot link component: canon task.return passes values through memory and names none",
    );
  });

  it("refuses every truncation and every flipped bit in words, or plans it", async () => {
    const bytes = await fromWat(NESTED);
    let refused = 0;
    for (let length = 0; length < bytes.length; length++) {
      if (refusalOf(bytes.slice(0, length)) !== undefined) refused += 1;
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (refusalOf(flipped) !== undefined) refused += 1;
    }
    expect(refused).toBeGreaterThan(bytes.length);
  });

  it("refuses components that instantiate each other without end", async () => {
    // Twenty levels, each with two of the one below: a million instances.
    let level = `(component $c0)`;
    for (let depth = 1; depth <= 20; depth++)
      level = `(component $c${depth} ${level} (instance (instantiate $c${depth - 1})) (instance (instantiate $c${depth - 1})))`;
    const bytes = await fromWat(`(component ${level} (instance (instantiate $c20)))`);
    expect(refusalOf(bytes)).toMatch(/componentInstances/);
  });

  it("takes five hundred core instances, and refuses one more", async () => {
    const many = (count: number) =>
      fromWat(`(component (core module $m) ${"(core instance (instantiate $m))".repeat(count)})`);
    expect(refusalOf(await many(500))).toBeUndefined();
    expect(refusalOf(await many(501))).toMatch(/more than 500 coreInstances/);
  });

  it("says of a component whether anything in it is asynchronous", async () => {
    expect((await plan(NESTED)).async).toBe(false);
    const types = `(type $s (stream u8)) (import "a:b/c" (instance (export "f" (func (param "s" $s)))))`;
    expect((await plan(`(component ${types})`)).async).toBe(true);
    expect((await plan(asyncExport("u32", "i32"))).async).toBe(true);
  });

  /** One built-in, given to a core module as a function of some type. */
  const withBuiltin = (canon: string, type: string) => `(component
    (type $s (stream string)) (type $f (future u8))
    (core module $lib (memory (export "mem") 1) (table (export "t") 1 funcref)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
    (core instance $lib (instantiate $lib))
    (alias core export $lib "mem" (core memory $mem))
    (alias core export $lib "t" (core table $t))
    (alias core export $lib "realloc" (core func $realloc))
    (core type $start (func (param i32)))
    (core func $builtin (canon ${canon}))
    (core module $m (import "" "f" (func ${type})))
    (core instance (instantiate $m (with "" (instance (export "f" (func $builtin)))))))`;

  const MEMORY = "(memory (core memory $mem))";
  const REALLOC = "(realloc (core func $realloc))";

  it.each([
    ["stream.new $s", "(result i64)"],
    [`stream.read $s async ${MEMORY} ${REALLOC}`, "(param i32 i32 i32) (result i32)"],
    [`stream.write $s ${MEMORY}`, "(param i32 i32 i32) (result i32)"],
    [`future.write $f async ${MEMORY}`, "(param i32 i32) (result i32)"],
    ["future.cancel-read $f async", "(param i32) (result i32)"],
    ["stream.drop-writable $s", "(param i32)"],
    ["subtask.cancel async", "(param i32) (result i32)"],
    [`waitable-set.wait ${MEMORY}`, "(param i32 i32) (result i32)"],
    ["task.cancel", ""],
  ])("plans %s, and no core function of another type", async (canon, type) => {
    expect((await plan(withBuiltin(canon, type))).trampolines).toHaveLength(1);
    expect(refusalOf(await fromWat(withBuiltin(canon, `(param f64) ${type}`)))).toMatch(/of type .* wanted/);
  });

  it.each([
    ["stream.read $s async", "(param i32 i32 i32) (result i32)", /names no memory/],
    [`stream.read $s async ${MEMORY}`, "(param i32 i32 i32) (result i32)", /names no realloc/],
    [
      "thread.new-indirect $start (core table $t)",
      "(param i32 i32) (result i32)",
      /uses thread.new-indirect/,
    ],
    ["thread.suspend", "(result i32)", /uses thread.suspend, which is not supported/],
    ["error-context.drop", "(param i32)", /uses error-context.drop, which is not supported/],
  ])("refuses %s in words", async (canon, type, words) => {
    expect(refusalOf(await fromWat(withBuiltin(canon, type)))).toMatch(words);
  });
});
