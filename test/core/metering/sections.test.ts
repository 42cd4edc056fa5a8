/**
 * What surrounds the code: limits written in, names carried over, sections that would lie dropped.
 */

import { expect, test } from "vitest";
import { Writer } from "../../../src/core/metering/binary/writer.ts";
import { instrument, MAX_MODULE_BYTES } from "../../../src/core/metering/index.ts";
import {
  checkMetered,
  MAX_BODY_BYTES,
  MAX_CALLS,
  MAX_FUNCTIONS,
  MAX_METERED_BYTES,
} from "../../../src/core/metering/limits.ts";
import { assemble, instantiateMetered, ROOMY } from "./support.ts";

/** Whether the bytes hold a text. */
function mentions(wasm: Uint8Array, text: string): boolean {
  return new TextDecoder("latin1").decode(wasm).includes(text);
}

test("instrument() drops sections that point into code and keeps the others", async () => {
  const wasm = await assemble(`(module (func $named (param $first i32) (local $second i64))
    (@custom "metadata.code.branch_hint" "\\00") (@custom ".debug_info" "x") (@custom "linking" "x")
    (@custom "producers" "\\00") (@custom "vendor" "kept"))`);
  const metered = instrument(wasm, ROOMY).wasm;
  for (const name of ["producers", "vendor", "kept", "named", "first", "second"]) {
    expect(mentions(metered, name), name).toBe(true);
  }
  for (const name of ["metadata.code", ".debug_info", "linking"]) {
    expect(mentions(wasm, name), name).toBe(true);
    expect(mentions(metered, name), name).toBe(false);
  }
});

test("instrument() moves names with the locals and globals they name", async () => {
  const wasm = await assemble(
    `(module (global $counter (mut i32) (i32.const 0)) (func $f (param $first i32) (local $second i64)))`,
  );
  const metered = instrument(wasm, ROOMY).wasm;
  const text = new TextDecoder("latin1").decode(metered);
  const indexBefore = (name: string): number => text.charCodeAt(text.lastIndexOf(name) - 2);
  expect(indexBefore("first")).toBe(0);
  expect(indexBefore("second")).toBe(2); // behind the fuel word
  expect(indexBefore("counter")).toBe(2); // behind both imported counters
});

test("instrument() caps the growth of memories and tables, all of them together", async () => {
  const wat = `(module (memory $a 1) (memory $b 1 2) (table $t 1 funcref)
    (func (export "a") (param i32) (result i32) (memory.grow $a (local.get 0)))
    (func (export "b") (param i32) (result i32) (memory.grow $b (local.get 0)))
    (func (export "t") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))`;
  const limits = { maxMemoryBytes: 4 * 65_536 + 100, maxTableElements: 3 };
  const instance = instantiateMetered(await assemble(wat), { limits });
  expect([instance.call("a", 3), instance.call("a", 2)]).toEqual([-1, 1]);
  expect(instance.call("b", 1)).toBe(-1); // what was left went to the first memory
  expect([instance.call("t", 3), instance.call("t", 2)]).toEqual([-1, 1]);
});

test("instrument() keeps a smaller maximum that a module declares itself", async () => {
  const wat = `(module (memory 1 2) (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))`;
  const instance = instantiateMetered(await assemble(wat));
  expect([instance.call("f", 2), instance.call("f", 1)]).toEqual([-1, 1]);
});

test("instrument() states what instantiation costs", async () => {
  const { stats } = instrument(
    await assemble(`(module (memory 1) (table 10 funcref) (func $f) (elem (i32.const 0) $f $f) (elem declare func $f)
      (data (i32.const 0) "0123456789abcdef") (data "passive"))`),
    ROOMY,
  );
  const code = 1; // one body of two bytes; a begun unit counts whole
  expect(stats.instantiationFuel).toBe(code + 16 / 8 + 2 * 32 + 10 * 2);
});

test("instrument() states what code costs by its size, whatever of it runs", async () => {
  const body = "(drop (i32.const 1))".repeat(1000); // three bytes each
  const fuelOf = async (bodies: number): Promise<number> => {
    const { stats } = instrument(await assemble(`(module ${`(func ${body})`.repeat(bodies)})`), ROOMY);
    return stats.instantiationFuel;
  };
  expect(await fuelOf(1)).toBe(Math.ceil((3000 + 2) / 64));
  expect(await fuelOf(64)).toBe(3000 + 2);
});

test("instrument() refuses a module that is too large to compile", () => {
  expect(() => instrument(new Uint8Array(MAX_MODULE_BYTES + 1), ROOMY)).toThrow("exceed the limit");
});

/** A module that defines `count` functions of no parameters whose bodies are `bytes` long: no-ops, or calls of the first. */
function moduleOf(count: number, bytes: number, calls = false): Uint8Array<ArrayBuffer> {
  const [types, functions, code, body] = [new Writer(), new Writer(), new Writer(), new Writer()];
  types.bytes(1, 0x60, 0, 0);
  body.byte(0);
  for (let i = 2; i < bytes; i += 1) body.byte(!calls ? 0x01 : i % 2 === 0 ? 0x10 : 0x00); // nop; call 0
  body.byte(0x0b);
  functions.u32(count);
  code.u32(count);
  for (let i = 0; i < count; i += 1) {
    functions.byte(0);
    code.sized(body);
  }
  const module = new Writer();
  module.bytes(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
  module.section(1, types);
  module.section(3, functions);
  module.section(10, code);
  return module.toBytes();
}

test("instrument() refuses more functions than compilers should be asked to take", () => {
  expect(() => instrument(moduleOf(MAX_FUNCTIONS + 1, 2), ROOMY)).toThrow(
    `${MAX_FUNCTIONS + 1} functions exceed the limit of ${MAX_FUNCTIONS}`,
  );
});

test("instrument() refuses more calls than are worth following, while it reads them", () => {
  const perFunction = 100_000;
  const wasm = moduleOf(MAX_CALLS / perFunction + 20, 2 + perFunction * 2, true);
  expect(() => instrument(wasm, ROOMY)).toThrow(`calls and more exceed the limit of ${MAX_CALLS}`);
});

test("checkMetered() refuses code that grows beyond what compilers should be asked to take", () => {
  expect(() => checkMetered(MAX_METERED_BYTES)).not.toThrow();
  expect(() => checkMetered(MAX_METERED_BYTES + 1)).toThrow(`the limit of ${MAX_METERED_BYTES} bytes`);
});

test("instrument() refuses a body that engines would not compile, before it is metered and behind", () => {
  expect(() => instrument(moduleOf(1, MAX_BODY_BYTES + 1), ROOMY)).toThrow(
    `function 0: ${MAX_BODY_BYTES + 1} bytes exceed the limit of ${MAX_BODY_BYTES}`,
  );
  expect(() => instrument(moduleOf(1, MAX_BODY_BYTES), ROOMY)).toThrow(
    /function 0: \d+ bytes exceed the limit/,
  );
});

test("instrument() gives the same bytes for the same module", async () => {
  const wasm = await assemble(`(module (memory 1) (func (export "f") (loop $l (br_if $l (i32.const 0)))))`);
  expect(instrument(wasm, ROOMY).wasm).toEqual(instrument(wasm.slice(), ROOMY).wasm);
});
