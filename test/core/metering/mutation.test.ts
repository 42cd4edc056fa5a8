/**
 * Damaged modules: whatever a byte turns into, `instrument()` ends in our own refusal or in a module, and behind the
 * validation that its caller owes, no invalid module becomes a runnable one.
 */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { decode } from "../../../src/core/component/index.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import { instrument } from "../../../src/core/metering/index.ts";
import { assemble, ROOMY } from "./support.ts";

const MUTATIONS = 1000;

const RICH = `(module (import "x" "y" (func $x (param i32))) (memory 1 4) (table $t 4 20 funcref) (tag $e (param i32)) (data $d "0123456789") (global $g (mut i64) (i64.const 4))
  (type $s (struct (field i32))) (type $f (func (param i32) (result i32))) (elem (i32.const 0) $a $b)
  (func $a (type $f) (block $h (result i32) (try_table (catch $e $h) (call $x (local.get 0))) (i32.const 3)))
  (func $b (type $f) (local i64 f64) (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (if (result i32) (local.get 0) (then (call $a (i32.const 1))) (else (return_call_indirect (type $f) (i32.const 2) (i32.const 0)))))
  (func (export "run") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (drop (struct.new $s (i32.const 1)))
    (block $z (block $y (br_table $y $z (local.get 0))) (call $x (memory.grow (i32.const 1))))))`;

test("instrument() throws nothing but refusals for damaged modules", async () => {
  const path = resolve(import.meta.dirname, "../../../.writ/tools/hash/hash.wasm");
  const component = new Uint8Array(readFileSync(path));
  const { offset = 0, byteLength = 0 } = decode(component).coreModules[0] ?? {};
  const modules = [await assemble(RICH), component.slice(offset, offset + byteLength)];
  let state = 7;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const seen = { invalid: 0, valid: 0, refused: 0, wouldBecomeValid: 0 };
  const wrong: unknown[] = [];
  for (let i = 0; seen.invalid < MUTATIONS; i += 1) {
    const damaged = (modules[i % modules.length] ?? new Uint8Array()).slice();
    for (let count = 1 + next(3); count > 0; count -= 1) damaged[8 + next(damaged.length - 8)] = next(256);
    const valid = WebAssembly.validate(damaged);
    seen[valid ? "valid" : "invalid"] += 1;
    const metered = attempt(damaged, wrong);
    if (metered === undefined) seen.refused += 1;
    else if (valid && !WebAssembly.validate(metered))
      wrong.push({ i, fault: "a valid module became invalid" });
    else if (!valid && WebAssembly.validate(metered)) seen.wouldBecomeValid += 1;
  }
  console.log(`damaged modules: ${JSON.stringify(seen)}`);
  expect(wrong).toEqual([]);
});

function attempt(wasm: Uint8Array, wrong: unknown[]): Uint8Array<ArrayBuffer> | undefined {
  try {
    return instrument(wasm, ROOMY).wasm;
  } catch (error) {
    if (!(error instanceof GatewayError)) wrong.push({ fault: String(error) });
    return undefined;
  }
}
