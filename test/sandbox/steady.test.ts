/** Which modules' instances can be made what they were: those that change nothing but numbers and memory. */
import { describe, expect, it } from "vitest";
import { instrument } from "../../src/core/metering/index.ts";
import { splitModule } from "../../src/sandbox/executor/image.ts";
import { exposeGlobals } from "../../src/sandbox/executor/steady.ts";
import { assemble } from "../support/components.ts";

const RUN = `(func (export "run"))`;
const T = `(table $t 2 funcref) (elem declare func $f) (func $f)`;
const does = (code: string) => `(func (export "run") ${code})`;

/** With the number of globals that change, the size of fuel's slices among them. */
const STEADY: Readonly<Record<string, readonly [wat: string, globals: number]>> = {
  nothing: [RUN, 1],
  "no exports at all": ["(func)", 1],
  "numbers that change, and that do not": [
    `(global (mut i32) (i32.const 1)) (global i32 (i32.const 2)) (global (export "g") (mut i64) (i64.const -3))
     (global f64 (f64.const nan)) (global (mut i32) (i32.add (i32.const 1) (i32.const 2))) ${RUN}`,
    4,
  ],
  "imports of every kind that a guest gets": [
    `(import "h" "f" (func)) (import "h" "g" (global i32)) (import "h" "m" (global (mut i32)))
     (import "h" "t" (table 1 funcref)) (import "h" "memory" (memory 1)) (global (mut i32) (global.get 0)) ${RUN}`,
    2,
  ],
  "a memory, which grows": [`(memory 1) ${does("(drop (memory.grow (i32.const 1)))")}`, 1],
  "a table that is read": [`${T} (elem (i32.const 0) $f) ${does("(drop (table.get $t (i32.const 0)))")}`, 1],
  "a passive segment that is used": [
    `(memory 1) (data $d "abc") ${does("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))")}`,
    1,
  ],
  "a start function": ["(func $s) (start $s)", 1],
};
const CHANGING: Readonly<Record<string, string>> = {
  "sets an element": `${T} ${does("(table.set $t (i32.const 0) (ref.func $f))")}`,
  "grows a table": `${T} ${does("(drop (table.grow $t (ref.null func) (i32.const 0)))")}`,
  "fills a table": `${T} ${does("(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))")}`,
  "copies elements": `${T} ${does("(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))")}`,
  "writes elements": `${T} (elem $e func $f) ${does("(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))")}`,
  "drops elements": `(elem $e func $f) (func $f) ${does("(elem.drop $e)")}`,
  "drops data": `(memory 1) (data $d "abc") ${does("(data.drop $d)")}`,
  "changes a float": `(global (mut f64) (f64.const 0)) ${RUN}`,
  "changes a reference": `(global (mut funcref) (ref.null func)) ${RUN}`,
  "holds what can change": `(type $s (struct (field (mut i32))))
    (global (ref $s) (struct.new $s (i32.const 0))) ${RUN}`,
  "has a table of what can change": `(type $s (struct (field (mut i32)))) (table 1 (ref null $s)) ${RUN}`,
  "has a table of anything": `(table 1 externref) ${RUN}`,
  "keeps its memory": `(memory 1) (memory 1) ${RUN}`,
};

async function expose(wat: string) {
  const metered = instrument(await assemble(`(module ${wat})`), { maxMemoryBytes: 1 << 20 });
  return exposeGlobals(splitModule(metered.wasm).wasm, metered.stats.changesTables);
}

describe("exposeGlobals()", () => {
  it.each(Object.entries(STEADY))("exports what changes of a module with %s", async (_name, [wat, count]) => {
    const { wasm, globals } = await expose(wat);
    expect(globals).toHaveLength(count);
    const exported = WebAssembly.Module.exports(new WebAssembly.Module(wasm));
    const ours = exported.filter(({ name }) => name.startsWith("writ:fuel/global/"));
    expect(ours).toEqual(globals?.map((name) => ({ name, kind: "global" })));
  });

  it.each(Object.entries(CHANGING))("leaves a module as it is that %s", async (_name, wat) => {
    expect((await expose(wat)).globals).toBeNull();
  });

  it("exports those that can be set, and no other", async () => {
    const { wasm, globals } = await expose(
      `(import "h" "g" (global i32)) (global i64 (i64.const 7)) (global $a (mut i32) (i32.const 5))
       (global $b (mut i64) (i64.const 6)) (func (export "sum") (result i64)
         (i64.add (i64.extend_i32_s (global.get $a)) (global.get $b)))`,
    );
    const left = new WebAssembly.Global({ value: "i64", mutable: true }, 1_000_000n);
    const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
      h: { g: 1 },
      "writ:fuel": { left, depth },
    });
    const found = globals?.map((name) => exports[name]) as WebAssembly.Global[];
    expect(found.map(({ value }) => value).slice(0, 2)).toEqual([5, 6n]);
    const sum = exports["sum"] as () => bigint;
    expect(sum()).toBe(11n);
    for (const [global, value] of [
      [found[0], -1],
      [found[1], 2n ** 40n],
    ] as const)
      if (global !== undefined) global.value = value;
    expect(sum()).toBe(2n ** 40n - 1n);
  });
});
