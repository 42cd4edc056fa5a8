/** Guests that want more than they were given: time, fuel, memory, stack, output, the operator's disk. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readMemoryNeed, shareMemory } from "../../src/sandbox/executor/memories.ts";
import { assemble, componentOf, RUN_INFO_IMPORT } from "../support/components.ts";
import { INNER_ECHO_GUEST } from "../support/guests.ts";
import { buildOfferGuest } from "../support/offer-guest.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const MIB = 1024 * 1024;

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ executors: 2 });
});
afterAll(() => box.close());

/** A component with one core module whose `run` has the given result. */
function guest(module: string, result = "", lift = ""): string {
  return `(component (core module $guest ${module}) (core instance $guest (instantiate $guest))
    (func (export "run") ${result} (canon lift (core func $guest "run") ${lift})))`;
}
const SPIN = guest(`(func (export "run") loop $again br $again end)`);

describe("run() of a guest that computes for ever", () => {
  it("ends when its fuel is spent, every unit of it", async () => {
    const end = await box.call(await componentOf(SPIN), "run", {}, { fuel: 1_000_000 });
    expect(end).toMatchObject({ outcome: { kind: "exhausted", budget: "fuel" }, fuelUsed: 1_000_000 });
  });

  it("is killed at its deadline when it has fuel for hours and can not be stopped", async () => {
    const component = await componentOf(INNER_ECHO_GUEST);
    await box.sandbox.prepare(component, 64 * MIB);
    const end = await box.call(component, "spin", {}, { fuel: Number.MAX_SAFE_INTEGER, timeToLiveMs: 400 });
    expect(end).toMatchObject({ outcome: { kind: "timed-out" }, fuelUsed: null, memoryPeakBytes: null });
    expect(end.wallMs).toBeGreaterThanOrEqual(399);
    expect(end.wallMs).toBeLessThan(100_000);
  });

  it("is not begun when instantiating alone costs more than its fuel", async () => {
    const component = await componentOf(
      guest(`(memory 1) (data (i32.const 0) "${"x".repeat(8000)}") (func (export "run"))`),
    );
    const end = await box.call(component, "run", {}, { fuel: 100 });
    expect(end).toMatchObject({ outcome: { kind: "exhausted", budget: "fuel" }, fuelUsed: 100 });
  });

  it("is charged in a start function too", async () => {
    const component = await componentOf(
      guest(`(func $s loop $again br $again end) (start $s) (func (export "run"))`),
    );
    const end = await box.call(component, "run", {}, { fuel: 100_000 });
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "fuel" });
  });
});

describe("run() of a guest that computes for ever inside of an import call", () => {
  it.each([
    ["loop $again br $again end unreachable", { kind: "exhausted", budget: "fuel" }],
    ["call $deeper unreachable", { kind: "exhausted", budget: "call_depth" }],
    ["unreachable", { kind: "trapped", reason: "unreachable" }],
  ])("ends for the guest's own reason when its realloc is: %s", async (realloc, outcome) => {
    const component = await componentOf(`(component ${RUN_INFO_IMPORT}
      (core module $libc
        (memory (export "memory") 1)
        (func $deeper call $deeper)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) ${realloc}))
      (core instance $libc (instantiate $libc))
      (core func $describe (canon lower (func $describe)
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
      (core module $guest (import "h" "describe" (func $describe (param i32)))
        (func (export "run") block $caught try_table (catch_all $caught) (call $describe (i32.const 16)) end end))
      (core instance $guest (instantiate $guest (with "h" (instance (export "describe" (func $describe))))))
      (func (export "run") (canon lift (core func $guest "run"))))`);
    const end = await box.call(component, "run", {}, { fuel: 100_000 });
    expect(end.outcome).toEqual(outcome);
  });
});

/** Grows by `pages` until it is refused, then traps as an allocator does. */
const growing = (pages: number) =>
  guest(`(memory (export "memory") 1)
    (func (export "run")
      loop $again (br_if $again (i32.ne (memory.grow (i32.const ${pages})) (i32.const -1))) end unreachable)`);

describe("run() of a guest that wants memory", () => {
  it.each([1, 16, 7, 100])("ends as exhausted at its cap, growing by %d pages", async (pages) => {
    const end = await box.call(
      await componentOf(growing(pages)),
      "run",
      {},
      { memoryBytes: 8 * MIB, fuel: 1e9 },
    );
    expect(end.memoryPeakBytes).toBeLessThanOrEqual(8 * MIB);
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "memory_bytes" });
  });

  it("is not called exhausted when it traps near its cap and was refused nothing", async () => {
    const component = await componentOf(
      guest(`(memory (export "memory") 1) (func (export "run")
        (drop (memory.grow (i32.const 127))) unreachable)`),
    );
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB });
    expect(end.outcome).toEqual({ kind: "trapped", reason: "unreachable" });
    expect(end.memoryPeakBytes).toBe(8 * MIB);
  });

  it("is not called exhausted when it is its own maximum that ends its growth", async () => {
    const component = await componentOf(
      guest(`(memory (export "memory") 1 4) (func (export "run")
        (if (i32.eq (memory.grow (i32.const 4)) (i32.const -1)) (then unreachable)))`),
    );
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB });
    expect(end.outcome).toEqual({ kind: "trapped", reason: "unreachable" });
  });

  it("is not called exhausted when it traps with its memory as it was", async () => {
    const component = await componentOf(
      guest(`(memory (export "memory") 128) (func (export "run") unreachable)`),
    );
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB });
    expect(end.outcome).toEqual({ kind: "trapped", reason: "unreachable" });
  });

  it("goes on when it takes a refused growth for an answer", async () => {
    const component = await componentOf(
      guest(
        `(memory (export "memory") 1) (func (export "run") (result i32) (memory.grow (i32.const 65535)))`,
        "(result s32)",
      ),
    );
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB });
    expect(end).toMatchObject({ outcome: { kind: "completed" }, output: -1, memoryPeakBytes: 65_536 });
  });

  it("is told which it was, where it was a table that could not grow", async () => {
    const table = (maximum: string) =>
      guest(`(memory (export "memory") 1) (table 1 ${maximum} funcref) (func (export "run")
        (loop $again (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 300000)) (i32.const -1)))) unreachable)`);
    const capped = await box.call(await componentOf(table("")), "run", {}, { fuel: 1e9 });
    expect(capped.outcome).toEqual({ kind: "exhausted", budget: "table_elements" });
    const own = await box.call(await componentOf(table("1000")), "run", {}, { fuel: 1e9 });
    expect(own.outcome).toEqual({ kind: "trapped", reason: "unreachable" });
  });

  it("is refused when it needs more than the cap from the start", async () => {
    const component = await componentOf(guest(`(memory (export "memory") 200) (func (export "run"))`));
    await expect(box.call(component, "run", {}, { memoryBytes: 8 * MIB })).rejects.toMatchObject({
      code: "component-refused",
      message: expect.stringContaining("memory pages"),
    });
  });

  it("gets the cap once, however many core modules it is made of", async () => {
    const modules = Array.from(
      { length: 8 },
      (_, index) => `(core module $m${index} (memory (export "memory") 1)
          (func (export "grow") (result i32) (local $n i32)
            loop $again
              (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1))
                (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $again)))
            end local.get $n))
        (core instance $m${index} (instantiate $m${index}))
        (alias core export $m${index} "grow" (core func $grow${index}))`,
    );
    const names = Array.from({ length: 8 }, (_, index) => index);
    const component = await componentOf(`(component ${modules.join("\n")}
      (core module $main ${names.map((index) => `(import "m" "${index}" (func $g${index} (result i32)))`).join("")}
        (func (export "run") (result i32) i32.const 0 ${names.map((index) => `call $g${index} i32.add`).join(" ")}))
      (core instance $main (instantiate $main (with "m" (instance
        ${names.map((index) => `(export "${index}" (func $grow${index}))`).join("")}))))
      (func (export "run") (result u32) (canon lift (core func $main "run"))))`);
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB, fuel: 1e9 });
    expect(end.outcome).toEqual({ kind: "completed" });
    expect(end.memoryPeakBytes).toBeLessThanOrEqual(8 * MIB);
    expect(end.memoryPeakBytes).toBeGreaterThan(7 * MIB);
  });

  it("shares its cap among all instances of a module that owns memory", async () => {
    const component = await componentOf(`(component
      (core module $m (memory (export "memory") 1) (func (export "run") (result i32) (memory.grow (i32.const 64))))
      (core instance $a (instantiate $m)) (core instance $b (instantiate $m))
      (func (export "run") (result s32) (canon lift (core func $a "run"))))`);
    const end = await box.call(component, "run", {}, { memoryBytes: 8 * MIB });
    // 128 pages in all, of which each instance may have 64: one is there, so 64 more are refused.
    expect(end).toMatchObject({ outcome: { kind: "completed" }, output: -1, memoryPeakBytes: 2 * 65_536 });
  });
});

describe("run() of a guest that wants tables", () => {
  /** `run` says how many elements a table grew by, one instance's or both. */
  const tables = (instances: number) => `(component
    (core module $m (table 0 funcref)
      (func (export "grow") (result i32) (local $n i32)
        loop $again (if (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1))
          (then (local.set $n (i32.add (local.get $n) (i32.const 1000))) (br $again))) end local.get $n))
    ${Array.from(
      { length: instances },
      (_, n) => `(core instance $i${n} (instantiate $m))
      (alias core export $i${n} "grow" (core func $grow${n}))`,
    ).join(" ")}
    (core module $main ${Array.from({ length: instances }, (_, n) => `(import "m" "${n}" (func $g${n} (result i32)))`).join("")}
      (func (export "run") (result i32) i32.const 0 ${Array.from({ length: instances }, (_, n) => `call $g${n} i32.add`).join(" ")}))
    (core instance $main (instantiate $main (with "m" (instance
      ${Array.from({ length: instances }, (_, n) => `(export "${n}" (func $grow${n}))`).join("")}))))
    (func (export "run") (result u32) (canon lift (core func $main "run"))))`;

  it.each([1, 4])(
    "gives it a million elements at most, in tables of %d instances together",
    async (instances) => {
      const end = await box.call(await componentOf(tables(instances)), "run", {}, { fuel: 1e9 });
      expect(end).toMatchObject({ outcome: { kind: "completed" }, output: 1_000_000 });
    },
  );

  it("is refused when it needs more from the start", async () => {
    const component = await componentOf(guest(`(table 1000001 funcref) (func (export "run"))`));
    await expect(box.call(component, "run", {})).rejects.toMatchObject({
      code: "component-refused",
      message: expect.stringContaining("table elements"),
    });
  });

  it("pays for the tables of many instances as for one", async () => {
    const many = Array.from({ length: 200 }, (_, n) => `(core instance $i${n} (instantiate $m))`).join(" ");
    const component =
      await componentOf(`(component (core module $m (table 16000 funcref) (func (export "run"))) ${many}
      (func (export "run") (canon lift (core func $i0 "run"))))`);
    const end = await box.call(component, "run", {}, { fuel: 1_000_000 });
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "fuel" });
  });
});

describe("shareMemory()", () => {
  const PAGE = 65_536;
  it.each([
    ["one memory", [`(memory 2)`], 10 * PAGE, [10 * PAGE]],
    ["none", ["(func)"], 10 * PAGE, [0]],
    ["one of two", ["(func)", "(memory 1)"], 10 * PAGE, [0, 10 * PAGE]],
    ["two alike", ["(memory 1)", "(memory 1)"], 10 * PAGE, [5 * PAGE, 5 * PAGE]],
    ["a large and a small one", ["(memory 6)", "(memory 1)"], 10 * PAGE, [7 * PAGE, 2 * PAGE]],
    ["two in one module", ["(memory 1) (memory 2)", "(memory 1)"], 10 * PAGE, [6 * PAGE, 4 * PAGE]],
  ])("gives %s its part", async (_name, modules, cap, wanted) => {
    const bytes = await Promise.all(modules.map((module) => assemble(`(module ${module})`)));
    expect(shareMemory(bytes, cap)).toEqual(wanted);
  });

  it("reads what a module declares", async () => {
    expect(readMemoryNeed(await assemble("(module (memory 1 3) (memory 2 5))"))).toEqual({
      minimumBytes: 3 * PAGE,
      maximumBytes: 8 * PAGE,
    });
  });
});

describe("run() of a guest that recurses", () => {
  it("ends at the call depth limit", async () => {
    const component = await componentOf(guest(`(func $f (export "run") call $f)`));
    const end = await box.call(component, "run", {});
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "call_depth" });
  });
});

describe("run() of a guest that says too much", () => {
  it("ends at its output limit, before the output is built", async () => {
    const component = await componentOf(
      guest(
        `(memory (export "memory") 100) (data (i32.const 8) "\\40\\00\\00\\00\\00\\00\\50\\00") (func (export "run") (result i32) (i32.const 8))`,
        "(result string)",
        `(memory (core memory $guest "memory"))`,
      ),
    );
    const end = await box.call(component, "run", {}, { outputBytes: 64 * 1024 });
    expect(end).toMatchObject({ outcome: { kind: "exhausted", budget: "output_bytes" }, outputBytes: 0 });
    expect(end.output).toBeUndefined();
  });

  it("may say exactly as much as it was given, and not a byte more", async () => {
    const component = await componentOf(
      guest(
        `(memory (export "memory") 1) (data (i32.const 8) "\\40\\00\\00\\00\\08\\00\\00\\00") (data (i32.const 64) "12345678") (func (export "run") (result i32) (i32.const 8))`,
        "(result string)",
        `(memory (core memory $guest "memory"))`,
      ),
    );
    await expect(box.call(component, "run", {}, { outputBytes: 10 })).resolves.toMatchObject({
      output: "12345678",
    });
    await expect(box.call(component, "run", {}, { outputBytes: 9 })).resolves.toMatchObject({
      outcome: { kind: "exhausted", budget: "output_bytes" },
    });
  });
});

describe("run() of a guest that floods its standard output", () => {
  it("stops at the broker's stop, soon after", async () => {
    const end = await box.call(
      await floodingGuest("blocking-write-and-flush"),
      "call-0",
      {},
      { reply: stopAt(20) },
    );
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "log_bytes" });
    expect(end.host.calls.length).toBeLessThan(25);
  });

  it("stops soon when it writes without ever waiting", async () => {
    const end = await box.call(await floodingGuest("write"), "call-0", {}, { reply: stopAt(5) });
    expect(end.outcome.kind).not.toBe("completed");
    expect(end.host.calls.length).toBeLessThan(40);
  });

  it("does not break the protocol by writing a thousand times with a broker that is slow", async () => {
    const component = await floodingGuest("blocking-write-and-flush", 200);
    const end = await box.call(
      component,
      "call-0",
      {},
      {
        reply: async () => {
          await new Promise((resolve) => setTimeout(resolve, 1));
          return { kind: "ok", value: null };
        },
      },
    );
    expect(end.outcome).toEqual({ kind: "completed" });
    expect(end.host.calls).toHaveLength(200);
  });
});

describe("run() of a guest that draws random numbers for ever", () => {
  it("ends when it has drawn more than any honest guest needs", async () => {
    const component = await componentOf(`(component
      (import "wasi:random/random@0.2.12" (instance $random
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
      (core module $libc (memory (export "memory") 32)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
      (core instance $libc (instantiate $libc))
      (core func $draw (canon lower (func $random "get-random-bytes")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
      (core module $guest (import "r" "draw" (func $draw (param i64 i32)))
        (func (export "run") loop $again (call $draw (i64.const 1048576) (i32.const 16)) br $again end))
      (core instance $guest (instantiate $guest (with "r" (instance (export "draw" (func $draw))))))
      (func (export "run") (canon lift (core func $guest "run"))))`);
    const end = await box.call(component, "run", {}, { fuel: 1e12 });
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "random_bytes" });
  });
});

const stopAt = (last: number) => (_call: unknown, index: number) =>
  index < last
    ? ({ kind: "ok", value: null } as const)
    : ({ kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } } as const);

/** Writes a hundred bytes to standard output, again and again. */
function floodingGuest(method: string, times = 1_000_000) {
  return buildOfferGuest((imports) => {
    const find = (name: string) => {
      const found = imports.find((entry) => entry.name === name);
      if (found === undefined) throw new TypeError(`no import ${name}`);
      return found.call;
    };
    return [
      `i32.const 64 ${find("get-stdout")} i32.store
       loop $again
         (i32.load (i32.const 64)) i32.const 1000 i32.const 100 i32.const 200 ${find(`[method]output-stream.${method}`)}
         (i32.store (i32.const 68) (i32.add (i32.load (i32.const 68)) (i32.const 1)))
         (br_if $again (i32.lt_u (i32.load (i32.const 68)) (i32.const ${times})))
       end`,
    ];
  });
}
