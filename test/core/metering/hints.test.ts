/**
 * Branch hints: those that metering gives to its own branches, and those of the module, which move along.
 */

import { print } from "@bytecodealliance/jco-transpile/wasm-tools";
import { expect, test } from "vitest";
import { instrument } from "../../../src/core/metering/index.ts";
import { assemble, ROOMY } from "./support.ts";

const WAT = `(module (func $a) (func (export "f") (param i32 f64) (result f64) (local i64 i64 i64)
  (loop $l
    (local.set 1 (f64.mul (local.get 1) (local.get 1)))
    local.get 0
    (@metadata.code.branch_hint "\\00")
    if call $a end
    (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))
    (@metadata.code.branch_hint "\\01")
    br_if $l)
  (local.get 1)))`;

for (const canonicalNans of [false, true]) {
  test(`instrument() ${canonicalNans ? "with canonical NaNs " : ""}hints its checks and keeps a module's hints`, async () => {
    const text = await print(instrument(await assemble(WAT), { ...ROOMY, refill: true, canonicalNans }).wasm);
    const hinted = [...text.matchAll(/\(@metadata\.code\.branch_hint "(\\0[01])"\)\n\s*(\w+)/g)];
    expect(hinted.map(([, hint, operator]) => `${hint} ${operator}`)).toEqual([
      "\\00 if", // the check of the loop
      "\\00 if",
      "\\01 br_if",
    ]);
  });
}

test("instrument() drops hints that do not decode", async () => {
  const wasm = await assemble(WAT);
  const name = new TextEncoder().encode("metadata.code.branch_hint");
  const at = wasm.findIndex((_, i) => name.every((byte, j) => wasm[i + j] === byte)) + name.length;
  wasm[at] = 0x7f;
  expect(WebAssembly.validate(wasm)).toBe(true);
  expect(WebAssembly.validate(instrument(wasm, ROOMY).wasm)).toBe(true);
});
