/**
 * What a body has on its operand stack: the table of what operators change against the engine's own validator, and the
 * count against what a valid body must have at the end of each block.
 */

import { expect, test } from "vitest";
import { readBody } from "../../../src/core/metering/binary/body.ts";
import { readModule, type WasmModule } from "../../../src/core/metering/binary/module.ts";
import { costOf, SHAPE, shapeOf } from "../../../src/core/metering/binary/operators.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { effectOf } from "../../../src/core/metering/binary/stack-effects.ts";
import { OP, Walker } from "../../../src/core/metering/binary/walker.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";
import { OperandCount } from "../../../src/core/metering/placement/operands.ts";
import { ScannedCode } from "../../../src/core/metering/placement/scan.ts";
import { createGenerator } from "./generator.ts";
import { assemble } from "./support.ts";

/** A value of each type that plain operators take, as an operator that makes it. */
const VALUES = {
  i32: [0x41, 0],
  i64: [0x42, 0],
  f32: [0x43, 0, 0, 0, 0],
  f64: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
  v128: [0xfd, 12, ...new Array<number>(16).fill(0)],
  funcref: [0xd0, 0x70],
} as const;
type ValueType = keyof typeof VALUES;

test("effectOf() is what the engine finds, for every operator that is the same wherever it stands", async () => {
  const around = await createSurroundings();
  // Opcodes between others that mean nothing are no operator anywhere, not even where no code comes.
  const operators = plainOperators().filter(({ bytes }) => around([], [OP.unreachable, ...bytes]));
  const seen = operators.map(({ name, bytes, opcode }) => {
    const operands = operandLists().find((list) => around(list, bytes));
    if (operands === undefined) return `${name} takes no operands that are tried`;
    const pushes = around(operands, [...bytes, OP_DROP]) ? 1 : 0;
    const effect = pushes - operands.length;
    return effect === effectOf(opcode) ? "" : `${name}: ${effect}, the table says ${effectOf(opcode)}`;
  });
  expect(seen.length).toBeGreaterThan(420);
  expect(seen.filter((each) => each !== "")).toEqual([]);
});

const OP_DROP = 0x1a;

/** Operators without labels, types or objects, each as the bytes of one with immediates of nothing. */
function plainOperators(): { name: string; bytes: readonly number[]; opcode: number }[] {
  const immediates = new Map<number, readonly number[]>([
    [SHAPE.none, []],
    [SHAPE.leb, [0]],
    [SHAPE.u32, [0]],
    [SHAPE["u32-u32"], [0, 0]],
    [SHAPE.memarg, [0, 0]],
    [SHAPE.lane, [0]],
    [SHAPE["memarg-lane"], [0, 0, 0]],
    [SHAPE["bytes-4"], new Array<number>(4).fill(0)],
    [SHAPE["bytes-8"], new Array<number>(8).fill(0)],
    [SHAPE["bytes-16"], new Array<number>(16).fill(0)],
    [SHAPE["heap-type"], [0x70]],
  ]);
  const all = [
    ...Array.from({ length: 0xfb - 0x1a }, (_, i) => ({ opcode: 0x1a + i, prefix: [0x1a + i] })),
    ...Array.from({ length: 18 }, (_, sub) => ({ opcode: 0xfc000 + sub, prefix: [0xfc, sub] })),
    ...Array.from({ length: 276 }, (_, sub) => {
      const writer = new Writer();
      writer.u32(sub);
      return { opcode: 0xfd000 + sub, prefix: [0xfd, ...writer.toBytes()] };
    }),
  ];
  return all.flatMap(({ opcode, prefix }) => {
    const behind = immediates.get(shapeOf(opcode));
    const isTyped = opcode === OP.refFunc || opcode === 0xd3 || opcode === 0xd4; // of functions declared, of objects
    if (behind === undefined || isTyped || (costOf(opcode) === 0 && opcode !== OP_DROP)) return [];
    return [{ name: `0x${opcode.toString(16)}`, bytes: [...prefix, ...behind], opcode }];
  });
}

/** Lists of up to three operands, shorter ones first: the first that an operator takes is all that it takes. */
function operandLists(): readonly (readonly ValueType[])[] {
  const types = Object.keys(VALUES) as ValueType[]; // Its own keys.
  const lists: (readonly ValueType[])[] = [[]];
  for (let from = 0, length = 0; length < 3; length += 1) {
    const longest = lists.slice(from);
    from = lists.length;
    for (const list of longest) for (const type of types) lists.push([...list, type]);
  }
  return lists;
}

/** @returns whether code is valid behind operands of some types, whatever it leaves */
async function createSurroundings(): Promise<
  (operands: readonly ValueType[], code: readonly number[]) => boolean
> {
  const wasm = await assemble(`(module (memory 1) (table 1 funcref) (global (mut i32) (i32.const 0))
    (func (data.drop 0)) (data "abc") (elem func))`);
  const { sections } = readModule(wasm);
  const code = sections.find(({ id }) => id === 10);
  if (code === undefined) throw new TypeError("No code");
  // The section's id and size are a byte each in a module this small.
  const [front, behind] = [wasm.subarray(0, code.start - 2), wasm.subarray(code.end)];
  return (operands, bytes) => {
    const body = [1, 1, 0x7f, ...operands.flatMap((type) => VALUES[type]), ...bytes, OP.unreachable, OP.end];
    const section = [1, body.length, ...body];
    return WebAssembly.validate(Uint8Array.from([...front, 10, section.length, ...section, ...behind]));
  };
}

const LABELS = {
  "blocks that take and give": `(func (param i32) (result i64) (i32.const 1) (i64.const 2)
    (block (param i32 i64) (result i64 i32) (drop) (i64.extend_i32_u) (i32.const 5)) (drop)
    (loop (param i64) (result i64) (br_if 0 (local.get 0)))
    (local.get 0) (if (param i64) (result i64) (then (i64.const 1) (i64.add)) (else (drop) (i64.const 7))))`,
  "branches of all kinds": `(func (param i32 funcref) (result i32)
    (block (result i32) (i32.const 1) (i32.const 2) (br_if 0 (local.get 0)) (drop)
      (block (result i32) (i32.const 3) (br_table 0 1 0 (local.get 0))) (i32.add))
    (block (br_on_null 0 (local.get 1)) (drop))
    (block (result (ref func)) (br_on_non_null 0 (local.get 1)) (unreachable)) (drop)
    (if (local.get 0) (then (return (i32.const 1)))) (br 0))`,
  calls: `(type $t (func (param i32 i64) (result f32 f64 i32))) (table funcref (elem $f))
    (func $f (type $t) (f32.const 0) (f64.const 0) (i32.const 0)) (elem declare func $f)
    (func (call $f (i32.const 1) (i64.const 2)) (drop) (drop) (drop)
      (call_indirect (type $t) (i32.const 1) (i64.const 2) (i32.const 0)) (drop) (drop) (drop)
      (call_ref $t (i32.const 1) (i64.const 2) (ref.func $f)) (drop) (drop) (drop))
    (func (type $t) (return_call $f (local.get 0) (local.get 1)))`,
  exceptions: `(tag $e (param i32 i64)) (tag $n) (func (result i32)
    (block $h (result i32 i64) (try_table (catch $e $h) (throw $e (i32.const 1) (i64.const 2))) (unreachable)) (drop)
    (block $x (result exnref) (try_table (catch_all_ref $x) (throw $n)) (unreachable)) (drop))`,
  "exceptions, as they were": `(tag $e (param i32 i64)) (tag $n) (func (result i32) i32.const 9
    try (result i32) i32.const 1 i32.const 2 i64.const 3 throw $e catch $e drop catch_all i32.const 4 end i32.add
    try throw $n delegate 0)`,
  objects: `(type $s (struct (field (mut i32)) (field i64))) (type $a (array (mut i32))) (type $r (array (mut funcref)))
    (data $d "abcdefgh") (elem $l func)
    (func (param $s (ref $s)) (param $a (ref $a)) (param $r (ref $r)) (param $e eqref) (param $x externref)
      (drop (struct.new $s (i32.const 1) (i64.const 2))) (drop (struct.new_default $s))
      (drop (struct.get $s 0 (local.get $s))) (struct.set $s 0 (local.get $s) (i32.const 1))
      (drop (array.new $a (i32.const 1) (i32.const 2))) (drop (array.new_default $a (i32.const 2)))
      (drop (array.new_fixed $a 3 (i32.const 1) (i32.const 2) (i32.const 3)))
      (drop (array.new_data $a $d (i32.const 0) (i32.const 1))) (drop (array.new_elem $r $l (i32.const 0) (i32.const 0)))
      (drop (array.get $a (local.get $a) (i32.const 0))) (array.set $a (local.get $a) (i32.const 0) (i32.const 1))
      (drop (array.len (local.get $a)))
      (array.fill $a (local.get $a) (i32.const 0) (i32.const 1) (i32.const 1))
      (array.copy $a $a (local.get $a) (i32.const 0) (local.get $a) (i32.const 0) (i32.const 1))
      (array.init_data $a $d (local.get $a) (i32.const 0) (i32.const 0) (i32.const 1))
      (array.init_elem $r $l (local.get $r) (i32.const 0) (i32.const 0) (i32.const 0))
      (drop (ref.test (ref $s) (local.get $e))) (drop (ref.cast (ref null $s) (local.get $e)))
      (drop (ref.eq (local.get $e) (local.get $s))) (drop (ref.as_non_null (local.get $e)))
      (drop (any.convert_extern (local.get $x))) (drop (extern.convert_any (local.get $e)))
      (drop (i31.get_s (ref.i31 (i32.const 1))))
      (drop (block (result (ref $s)) (drop (br_on_cast 0 eqref (ref $s) (local.get $e))) (local.get $s)))
      (drop (block (result eqref) (drop (br_on_cast_fail 0 eqref (ref $s) (local.get $e))) (local.get $e))))`,
} as const;

for (const [name, fields] of Object.entries(LABELS)) {
  test(`OperandCount comes to what each block gives: ${name}`, async () => {
    const wasm = await assemble(`(module ${fields})`);
    expect(WebAssembly.validate(wasm)).toBe(true);
    expect(faultsOf(wasm)).toEqual([]);
  });
}

test("OperandCount comes to what each block gives: generated modules", async () => {
  const generator = await createGenerator();
  const faults: string[] = [];
  for (let seed = 1; seed <= 5; seed += 1) {
    const wasm = generator.generate(seed);
    if (wasm !== undefined && WebAssembly.validate(wasm)) faults.push(...faultsOf(wasm));
  }
  generator.close();
  expect(faults).toEqual([]);
});

/** Where a count is not what a valid body has, or the scan's is not the walk's. */
function faultsOf(wasm: Uint8Array): string[] {
  const module = readModule(wasm);
  const code = new ScannedCode(module, wasm.length);
  return module.bodies.flatMap((_, position) => {
    const body = readBody(module, position);
    const { operandSlots } = code.scan(
      body,
      { locals: body.type.params.count, global: (index) => index },
      false,
    );
    const { most, wrong } = walkOperands(module, body.codeStart, body.codeEnd, body.type.results.count);
    const scanned = operandSlots === most || operandSlots === 2 * most;
    return [...wrong, ...(scanned ? [] : [`the scan finds ${operandSlots}, the walk ${most}`])].map(
      (fault) => `function ${body.index}: ${fault}`,
    );
  });
}

/** Counts operator by operator; where an `end` is come to, what is there must be what stands behind it. */
function walkOperands(
  module: WasmModule,
  start: number,
  end: number,
  results: number,
): { readonly most: number; readonly wrong: readonly string[] } {
  const count = new OperandCount(module);
  count.start();
  const walker = new Walker(new Reader(module.bytes, start, end), false);
  const wrong: string[] = [];
  let [height, most] = [0, 0];
  /** For each open block, the function's own first: whether code comes to where we are. */
  const live = [true];
  const entered = [true];
  while (walker.next()) {
    const { opcode } = walker;
    most = Math.max(most, height);
    const before = height;
    height = count.step(walker, height);
    if (isOpening(opcode)) {
      entered.push(live.at(-1) ?? false);
      live.push(live.at(-1) ?? false);
    } else if (opcode === OP.end || opcode === OP.delegate) {
      const wasLive = live.pop();
      const wasEntered = entered.pop() ?? false;
      const wanted = live.length === 0 ? results : height;
      if (wasLive && before !== wanted) wrong.push(`${before} at ${walker.at}, not ${wanted}`);
      if (live.length > 0) live[live.length - 1] = wasEntered;
    } else if (opcode === OP.else || opcode === OP.catch || opcode === OP.catchAll) {
      live[live.length - 1] = entered.at(-1) ?? false;
    } else if (isLeaving(opcode)) live[live.length - 1] = false;
  }
  return { most, wrong };
}

function isOpening(opcode: number): boolean {
  return [OP.block, OP.loop, OP.if, OP.try, OP.tryTable].some((each) => each === opcode);
}

function isLeaving(opcode: number): boolean {
  const leaving = [OP.br, OP.brTable, OP.return, OP.unreachable, OP.throw, OP.throwRef, OP.rethrow];
  return [...leaving, OP.returnCall, OP.returnCallIndirect, OP.returnCallRef].some((each) => each === opcode);
}
