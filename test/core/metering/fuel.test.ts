/**
 * Fuel, to the unit: the numbers are literal, so both runtimes are held to the same ones.
 */

import { expect, test } from "vitest";
import { assemble, instantiateMetered } from "./support.ts";

interface Case {
  readonly name: string;
  readonly wat: string;
  /** Arguments, result and units, call by call, of the export `f`. */
  readonly calls: readonly (readonly [args: readonly unknown[], result: unknown, units: bigint])[];
}

const CASES: readonly Case[] = [
  {
    name: "an empty function costs its entry",
    wat: `(module (func (export "f")))`,
    calls: [[[], undefined, 1n]],
  },
  {
    name: "straight code costs its operators",
    wat: `(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`,
    calls: [[[1], 2, 4n]],
  },
  {
    name: "eight declared locals cost one unit",
    wat: `(module (func (export "f") (local i32 i32 i32 i32 i32 i32 i32 i32 i32)))`,
    calls: [[[], undefined, 3n]],
  },
  {
    name: "an arm not taken costs nothing",
    wat: `(module (func (export "f") (param i32) (result i32)
      (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.mul (i32.const 2) (i32.const 3))))))`,
    calls: [
      [[1], 1, 4n],
      [[0], 6, 6n],
    ],
  },
  {
    name: "a loop costs its turns",
    wat: `(module (func (export "f") (param i32) (result i32)
      (loop $again (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $again (local.get 0)))
      (local.get 0)))`,
    calls: [
      [[1], 0, 8n],
      [[10], 0, 62n],
    ],
  },
  {
    name: "a call costs the callee as well",
    wat: `(module (func $g (result i32) (i32.const 7)) (func (export "f") (result i32) (call $g) (drop) (call $g)))`,
    calls: [[[], 7, 9n]],
  },
  {
    name: "a block left early costs what ran",
    wat: `(module (func (export "f") (param i32) (result i32)
      (block $out (br_if $out (local.get 0)) (nop) (return (i32.const 5))) (i32.const 6)))`,
    calls: [
      [[0], 5, 4n],
      [[1], 6, 4n],
    ],
  },
  {
    name: "br_table costs its jump and the arm",
    wat: `(module (func (export "f") (param i32) (result i32)
      (block $b (block $a (br_table $a $b (local.get 0))) (return (i32.div_u (i32.const 8) (i32.const 2)))) (i32.const 1)))`,
    calls: [
      [[0], 4, 10n],
      [[1], 1, 5n],
    ],
  },
  {
    name: "a caught exception costs the way it took",
    wat: `(module (tag $t (param i32)) (func $g (throw $t (i32.const 9)) )
      (func (export "f") (result i32) (block $h (result i32) (try_table (catch $t $h) (call $g) (nop)) (i32.const 1) (return))))`,
    calls: [[[], 9, 261n]],
  },
  {
    name: "memory.fill costs an eighth of its bytes",
    wat: `(module (memory 1) (func (export "f") (param i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0))))`,
    calls: [
      [[0], undefined, 132n],
      [[7], undefined, 132n],
      [[8000], undefined, 1132n],
    ],
  },
  {
    name: "memory.grow costs its pages, and only its base when it fails",
    wat: `(module (memory 1 3) (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))`,
    calls: [
      [[0], 1, 514n],
      [[2], 1, 16898n],
      [[1], -1, 514n],
      [[-1], -1, 514n],
    ],
  },
  {
    name: "table.grow and table.fill cost their elements",
    wat: `(module (table $t 1 funcref) (func (export "f") (param i32) (result i32)
      (table.grow $t (ref.null func) (local.get 0)) (table.fill $t (i32.const 0) (ref.null func) (local.get 0))))`,
    calls: [[[10], 1, 1286n]],
  },
  {
    name: "arrays cost their elements",
    wat: `(module (type $a (array (mut i32))) (func (export "f") (param i32) (result i32)
      (array.len (array.new $a (i32.const 1) (local.get 0)))))`,
    calls: [[[100], 100, 220n]],
  },
];

for (const { name, wat, calls } of CASES) {
  test(`instrument() ${name}`, async () => {
    const instance = instantiateMetered(await assemble(wat));
    const seen = calls.map(([args]) => {
      instance.refill(1_000_000n);
      return [args, instance.call("f", ...args), instance.used()] as const;
    });
    expect(seen).toEqual(calls);
    expect(instance.depth()).toBe(0);
  });
}
