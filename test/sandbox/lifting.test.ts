/**
 * Guests that describe far more than they hold. Without the charge in linker/meter.ts, 2,000 pointers to one list of a
 * megabyte make a host of 1.9 GiB out of a guest of 4 MiB. With a flat charge per read, a list of fifty nested
 * tuples of one byte went on for seven seconds and filled the executor's heap.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import { memoryOf } from "../support/processes.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const MIB = 1024 * 1024;
/** Far from what is usual, and from what an amplifier would make of it: both depend on when collectors run. */
const EXECUTOR_PEAK = 900 * MIB;
const GATEWAY_GROWTH = 400 * MIB;

/** Where the one list lies that all pointers point to, and how many elements it has at most. */
interface Amplifier {
  /** Definitions before the result's type. */
  readonly defined?: string;
  readonly result: string;
  /** Pointers, each to `length` elements at the same place; or elements outright, when `length` is absent. */
  readonly count: number;
  readonly length?: number;
}

const nestedTuples = Array.from(
  { length: 50 },
  (_, depth) => `(type $t${depth} (tuple ${depth === 0 ? "u8" : `$t${depth - 1}`}))`,
).join("\n");

const AMPLIFIERS: Readonly<Record<string, Amplifier>> = {
  "list<list<u8>>": { defined: "(type $in (list u8))", result: "(list $in)", count: 2000, length: MIB },
  "list<string>": { result: "(list string)", count: 2000, length: MIB },
  "list<list<u32>>": { defined: "(type $in (list u32))", result: "(list $in)", count: 2000, length: MIB / 4 },
  "list<list<u64>>": { defined: "(type $in (list u64))", result: "(list $in)", count: 2000, length: MIB / 8 },
  "list<list<tuple<u8, u8>>>": {
    defined: "(type $pair (tuple u8 u8)) (type $in (list $pair))",
    result: "(list $in)",
    count: 2000,
    length: MIB / 2,
  },
  "list<list<option<u8>>>": {
    defined: "(type $some (option u8)) (type $in (list $some))",
    result: "(list $in)",
    count: 2000,
    length: MIB / 2,
  },
  "fifty million bools": { result: "(list bool)", count: 50_000_000 },
  "twelve million chars": { result: "(list char)", count: 12_000_000 },
  "fifty million results without payload": {
    defined: "(type $r (result))",
    result: "(list $r)",
    count: 50_000_000,
  },
  "fifty million tuples, fifty deep": { defined: nestedTuples, result: "(list $t49)", count: 50_000_000 },
  "six million empty lists": { defined: "(type $in (list u8))", result: "(list $in)", count: 6_000_000 },
  "six million empty texts": { result: "(list string)", count: 6_000_000 },
  "empty lists of empty lists": {
    defined: "(type $in (list u8)) (type $mid (list $in))",
    result: "(list $mid)",
    count: 2000,
    length: 100_000,
  },
};

/** `run` returns the amplified value; its memory is all zeroes but for the table of pointers. */
function amplifier({ defined = "", result, count, length }: Amplifier): string {
  const table = 64;
  const target = MIB;
  const fill =
    length === undefined
      ? ""
      : `loop $again
          (i32.store (i32.add (i32.const ${table}) (i32.shl (local.get $i) (i32.const 3))) (i32.const ${target}))
          (i32.store (i32.add (i32.const ${table + 4}) (i32.shl (local.get $i) (i32.const 3))) (i32.const ${length}))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const ${count})))
        end`;
  return `(component
    (core module $guest
      (memory (export "memory") 900)
      (func (export "run") (result i32) (local $i i32)
        ${fill}
        (i32.store (i32.const 8) (i32.const ${table}))
        (i32.store (i32.const 12) (i32.const ${count}))
        (i32.const 8)))
    (core instance $guest (instantiate $guest))
    (alias core export $guest "memory" (core memory $memory))
    ${defined}
    (type $result ${result})
    (func (export "run") (result $result) (canon lift (core func $guest "run") (memory $memory))))`;
}

/** `run` writes one log entry with 2,000 fields, whose names and values are one text of `length` bytes. */
function amplifiedLog(length: number): string {
  return `(component ${LOG_IMPORT} ${MEMORY_MODULE}
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    (core func $write (canon lower (func $write) (memory $memory) (realloc $realloc)))
    (core module $guest
      (import "host" "memory" (memory 1))
      (import "host" "write" (func $write (param i32 i32 i32 i32 i32 i32)))
      (func (export "run") (local $at i32)
        (local.set $at (i32.const 64))
        loop $again
          (i32.store (local.get $at) (i32.const 65536))
          (i32.store offset=4 (local.get $at) (i32.const ${length}))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $again (i32.lt_u (local.get $at) (i32.const ${64 + 2000 * 16})))
        end
        (call $write (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 64) (i32.const 2000) (i32.const 16))))
    (core instance $guest (instantiate $guest (with "host" (instance
      (export "memory" (memory $memory)) (export "write" (func $write))))))
    (func (export "run") (canon lift (core func $guest "run"))))`;
}

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox();
});
afterAll(() => box.close());

async function expectExhausted(wat: string): Promise<void> {
  const component = await componentOf(wat);
  await box.sandbox.prepare(component, 64 * MIB);
  const before = memoryOf("self").nowBytes;
  const end = await box.call(component, "run", {});
  const growth = memoryOf("self").nowBytes - before;
  expect(end.outcome).toEqual({ kind: "exhausted", budget: "lifted_bytes" });
  expect(end.output).toBeUndefined();
  expect(end.host.calls).toEqual([]);
  const [executor] = box.started.filter(({ role }) => role === "run");
  // The most that it ever held, whoever was its guest.
  const { peakBytes } = memoryOf(executor?.process.pid ?? 0);
  expect(peakBytes).toBeGreaterThan(0);
  expect(peakBytes / MIB).toBeLessThan(EXECUTOR_PEAK / MIB);
  expect(growth / MIB).toBeLessThan(GATEWAY_GROWTH / MIB);
}

describe("run() of a guest that amplifies what is lifted", () => {
  it.each(Object.keys(AMPLIFIERS))("ends at its result of %s, with the executor's memory bounded", (name) => {
    const entry = AMPLIFIERS[name];
    if (entry === undefined) throw new TypeError(name);
    return expectExhausted(amplifier(entry));
  });

  it("ends at an import's argument, before the broker sees it", () => expectExhausted(amplifiedLog(MIB)));

  it("lets the same guest through when what it describes is small", async () => {
    const component = await componentOf(amplifiedLog(10));
    const end = await box.call(component, "run", {});
    expect(end.outcome).toEqual({ kind: "completed" });
    expect(end.host.calls).toHaveLength(1);
  });

  it("traps at a list that ends outside of the memory, and shortens none", async () => {
    const component = await componentOf(
      amplifier({ defined: "(type $in (list u8))", result: "(list $in)", count: 1, length: 59 * MIB }),
    );
    const end = await box.call(component, "run", {});
    expect(end.outcome).toMatchObject({ kind: "trapped" });
  });

  it("traps at bytes that are not UTF-8, and replaces none", async () => {
    const component = await componentOf(`(component
      (core module $guest (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\02\\00\\00\\00\\c3\\28")
        (func (export "run") (result i32) (i32.const 8)))
      (core instance $guest (instantiate $guest))
      (func (export "run") (result string)
        (canon lift (core func $guest "run") (memory (core memory $guest "memory")))))`);
    const end = await box.call(component, "run", {});
    expect(end).toMatchObject({ outcome: { kind: "trapped" } });
    expect(end.output).toBeUndefined();
  });
});
