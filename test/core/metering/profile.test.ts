/**
 * Fuel by function: literal numbers, the ways in which a frame ends, and the sum, which is the fuel of a plain run.
 */
import { expect, test } from "vitest";
import type { ProfileNode } from "../../../src/core/metering/index.ts";
import {
  addProfile,
  createProfiler,
  FUEL_IMPORT,
  functionNames,
  instrument,
  PROFILE_IMPORT,
} from "../../../src/core/metering/index.ts";
import { createFuzzHost } from "./fuzz-host.ts";
import { createGenerator } from "./generator.ts";
import type { TestImports } from "./support.ts";
import { assemble, callExport, createCounters, instantiateMetered, ROOMY, resetCounters } from "./support.ts";

const BUDGET = 1n << 40n;

interface Profiled {
  /** `path;to;function` → fuel of its own. */
  readonly fuel: Readonly<Record<string, number>>;
  readonly total: bigint;
  readonly used: bigint;
  readonly end: string;
}

async function profile(
  wat: string,
  call: readonly [name: string, ...args: unknown[]],
  imports: TestImports = {},
  budget = BUDGET,
): Promise<Profiled> {
  const wasm = await assemble(wat);
  return profileBytes(wasm, (exports) => callExport(exports, call[0], call.slice(1)), imports, budget);
}

function profileBytes(
  wasm: Uint8Array<ArrayBuffer>,
  run: (exports: WebAssembly.Exports) => unknown,
  imports: WebAssembly.Imports,
  budget: bigint,
): Profiled {
  const counters = createCounters(budget);
  const profiler = createProfiler({
    left: () => counters.left.value,
    giveBack(units) {
      counters.left.value += units;
    },
  });
  const metered = instrument(addProfile(wasm, 0), ROOMY).wasm;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(metered), {
    ...imports,
    [PROFILE_IMPORT.module]: profiler.imports,
    [FUEL_IMPORT.module]: { left: counters.left, depth: counters.depth },
  });
  const end = attempt(() => run(exports));
  const left = counters.left.value;
  const nodes = profiler.finish(left);
  return {
    fuel: fold(nodes, functionNames(wasm)),
    total: nodes.reduce((sum, { fuel }) => sum + BigInt(fuel), 0n),
    used: budget - left,
    end,
  };
}

function fold(nodes: readonly ProfileNode[], names: ReadonlyMap<number, string>): Record<string, number> {
  const paths: string[] = [];
  return Object.fromEntries(
    nodes.map(({ parent, function: index, fuel }) => {
      const name = names.get(index) ?? `${index}`;
      const path = parent < 0 ? name : `${paths[parent]};${name}`;
      paths.push(path);
      return [path, fuel];
    }),
  );
}

function attempt(action: () => unknown): string {
  try {
    return `return ${String(action())}`;
  } catch (error) {
    return error instanceof Error ? error.constructor.name : String(error);
  }
}

test("addProfile() tells each function its own operators", async () => {
  const { fuel, total, used, end } = await profile(
    `(module
      (func $leaf (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
      (func $twice (param i32) (result i32) (local i64 i64) (i32.add (call $leaf (local.get 0)) (call $leaf (local.get 0))))
      (func (export "run") (param i32) (result i32) (call $twice (call $leaf (local.get 0)))))`,
    ["run", 2],
  );
  expect(end).toBe("return 36");
  // Entry 1, and one group of locals 1; a call 2; everything else 1.
  expect(fuel).toEqual({
    run: 1 + 1 + 2 + 2,
    "run;leaf": 4,
    "run;twice": 2 + 1 + 1 + 2 + 2 + 1,
    "run;twice;leaf": 8,
  });
  expect(total).toBe(used);
});

test("addProfile() gives the fuel of host calls to the import, and what the host calls back stands under it", async () => {
  let exports: WebAssembly.Exports | undefined;
  const wasm = await assemble(`(module (import "env" "host" (func $host (param i32)))
    (func (export "back") (param i32) (drop (i32.add (local.get 0) (i32.const 1))))
    (func (export "run") (call $host (i32.const 7)) (nop)))`);
  const { fuel } = profileBytes(
    wasm,
    (made) => {
      exports = made;
      return callExport(made, "run", []);
    },
    { env: { host: (value: number) => callExport(exports ?? {}, "back", [value]) } },
    BUDGET,
  );
  expect(fuel).toEqual({ run: 1 + 1, "run;env host": 2, "run;env host;back": 4 });
});

const UNWOUND = [
  [
    "an exception that is caught",
    `(tag $e) (func $throw (throw $e)) (func $deep (call $throw))
     (func $run (export "run") (block $h (try_table (catch $e $h) (call $deep))) (call $after))
     (func $after (drop (i32.const 1)))`,
  ],
  [
    "an exception that a loop catches, again and again",
    `(tag $e) (func $throw (throw $e)) (func $after (drop (i32.const 1)))
     (func $run (export "run") (local i32) (loop $h (call $after)
       (if (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 5))
         (then (try_table (catch $e $h) (call $throw))))))`,
  ],
  [
    "a legacy exception",
    `(tag $e) (func $throw (throw $e)) (func $after (drop (i32.const 1)))
     (func $run (export "run") try call $throw catch $e call $after catch_all end call $after)`,
  ],
  [
    "an exception in a recursion",
    `(tag $e) (func $after (drop (i32.const 1)))
     (func $deep (param i32) (if (i32.eqz (local.get 0)) (then (throw $e)))
       (block $h (try_table (catch $e $h) (call $deep (i32.sub (local.get 0) (i32.const 1)))) (return))
       (call $after) (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e))))
     (func $run (export "run") (call $deep (i32.const 6)))`,
  ],
] as const;

for (const [what, fields] of UNWOUND) {
  test(`addProfile() finds the frame again behind ${what}`, async () => {
    const wat = `(module ${fields})`;
    const { fuel, total, used, end } = await profile(wat, ["run"]);
    const plain = instantiateMetered(await assemble(wat), { budget: BUDGET });
    expect(attempt(() => plain.call("run"))).toBe(end);
    expect(used).toBe(plain.used());
    expect(total).toBe(used);
    expect(Object.values(fuel).every((units) => units > 0)).toBe(true);
    const after = Object.keys(fuel).filter((path) => path.endsWith("after"));
    expect(after).not.toEqual([]);
    for (const path of after) expect(path).toMatch(/(^|;)(run|deep);after$/);
  });
}

test("addProfile() ends the frame of a function that calls in tail position", async () => {
  const { fuel, end } = await profile(
    `(module (type $t (func (param i32) (result i32))) (table funcref (elem $count)) (elem declare func $count)
      (func $count (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 5))))
        (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
      (func $by-reference (param i32) (result i32) (return_call_ref $t (local.get 0) (ref.func $count)))
      (func (export "run") (result i32) (return_call $by-reference (i32.const 100))))`,
    ["run"],
  );
  expect(end).toBe("return 5");
  expect(Object.keys(fuel).sort()).toEqual(["by-reference", "count", "run"]);
});

test("addProfile() stops where a plain run stops, and accounts for all of it", async () => {
  const wat = `(module (func $turn (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "run") (local i32) (loop $l (local.set 0 (call $turn (local.get 0))) (br $l))))`;
  const { end, used, total } = await profile(wat, ["run"], {}, 10_000n);
  expect(end).toBe("RuntimeError");
  expect(used).toBeGreaterThanOrEqual(10_000n);
  expect(used).toBeLessThanOrEqual(10_200n);
  expect(total).toBe(used);
});

test("addProfile() refuses a module that has its imports already", async () => {
  const wasm = await assemble(`(module (import "writ:profile" "leave" (func)))`);
  expect(() => addProfile(wasm, 0)).toThrow(/writ:profile/);
});

test("addProfile() changes neither results nor fuel of generated modules", async () => {
  const generator = await createGenerator();
  let compared = 0;
  try {
    for (let seed = 101; seed < 111; seed += 1) {
      const wasm = generator.generate(seed);
      if (wasm !== undefined && WebAssembly.validate(wasm)) compared += compareProfiled(wasm);
    }
  } finally {
    generator.close();
  }
  expect(compared).toBeGreaterThan(10);
});

/** @returns how many calls were compared */
function compareProfiled(wasm: Uint8Array<ArrayBuffer>): number {
  const names = WebAssembly.Module.exports(new WebAssembly.Module(wasm)).filter(
    ({ kind }) => kind === "function",
  );
  const calls: ((exports: WebAssembly.Exports) => string)[] = names.map(({ name }) => (exports) => {
    const found = exports[name];
    return typeof found === "function"
      ? attempt(() => typeof found(...Array.from({ length: found.length }, () => "3")))
      : "no function";
  });
  let compared = 0;
  for (const call of calls) {
    let exports: WebAssembly.Exports | undefined;
    const hosts = [0, 1].map(() => createFuzzHost(new WebAssembly.Module(wasm), () => exports));
    const [metered, profiled] = [
      runOnce(() => {
        const counters = createCounters(BUDGET);
        const module = new WebAssembly.Module(instrument(wasm, ROOMY).wasm);
        exports = new WebAssembly.Instance(module, {
          ...hosts[0]?.imports,
          [FUEL_IMPORT.module]: { left: counters.left, depth: counters.depth },
        }).exports;
        resetCounters(counters, BUDGET);
        return { end: call(exports), used: BUDGET - counters.left.value };
      }),
      runOnce(() => {
        const { end, used, total } = profileBytes(
          wasm,
          (made) => {
            exports = made;
            return call(made);
          },
          hosts[1]?.imports ?? {},
          BUDGET,
        );
        expect(total).toBe(used);
        return { end: end.replace(/^return /, ""), used };
      }),
    ];
    // Depth ends elsewhere in a profiled run, and a trap leaves another part of its region paid.
    if (metered === undefined || profiled === undefined || !metered.end.startsWith("return")) continue;
    expect(profiled).toEqual(metered);
    expect(hosts[1]?.takeLog()).toBe(hosts[0]?.takeLog());
    compared += 1;
  }
  return compared;
}

function runOnce<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (
      error instanceof WebAssembly.RuntimeError ||
      error instanceof WebAssembly.LinkError ||
      error instanceof WebAssembly.Exception
    )
      return undefined;
    throw error;
  }
}
