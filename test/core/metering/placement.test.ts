/**
 * Charge placement against the independent counter: shapes of control flow that are easy to get wrong, and modules
 * of a generator. Each runs plain, metered, counted by operator, on exact budgets and on short ones. Thousands more are
 * in `test/conformance/generated.ts`.
 */

import { expect, test } from "vitest";
import { compareRuns } from "./differential.ts";
import { createGenerator } from "./generator.ts";
import { assemble } from "./support.ts";

const SHAPES = {
  "branches out of nested blocks": `(func (export "f") (param i32) (result i32)
    (block $a (block $b (block $c
      (br_if $a (i32.eq (local.get 0) (i32.const 0)))
      (br_if $b (i32.eq (local.get 0) (i32.const 1)))
      (br_if $c (i32.eq (local.get 0) (i32.const 2)))
      (return (i32.const 9)))
      (local.set 0 (i32.mul (local.get 0) (i32.const 3))))
      (local.set 0 (i32.add (local.get 0) (i32.const 3))))
    (local.get 0))`,
  "arms of very different cost": `(func (export "f") (param i32) (result i32)
    (if (local.get 0) (then (local.set 0 (i32.mul (i32.mul (local.get 0) (local.get 0)) (i32.mul (local.get 0) (local.get 0))))))
    (if (i32.and (local.get 0) (i32.const 1)) (then (nop)) (else (local.set 0 (i32.sub (local.get 0) (i32.const 7)))))
    (local.get 0))`,
  "an arm that traps": `(func (export "f") (param i32) (result i32)
    (if (i32.gt_u (local.get 0) (i32.const 2)) (then (drop (i32.add (i32.const 1) (i32.const 2))) (unreachable)))
    (i32.mul (local.get 0) (i32.mul (local.get 0) (i32.mul (local.get 0) (i32.const 5)))))`,
  "loops that are left in the middle": `(func (export "f") (param i32) (result i32) (local i32)
    (block $out (loop $l
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (br_if $out (i32.gt_u (local.get 1) (i32.const 50)))
      (loop $m (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if $m (i32.rem_u (local.get 1) (i32.const 4))))
      (br_if $l (i32.lt_u (local.get 1) (i32.const 1000)))))
    (local.get 1))`,
  "br_table into several depths": `(func (export "f") (param i32) (result i32) (local i32)
    (loop $again (block $z (block $y (block $x (br_table $x $y $z $x $y (local.get 0)))
      (local.set 1 (i32.add (local.get 1) (i32.const 10))))
      (local.set 1 (i32.add (local.get 1) (i32.const 100))))
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 0) (i32.const 6))))
    (local.get 1))`,
  "dead code of every sort": `(func (export "f") (param i32) (result i32)
    (block $b (br $b) (drop (call $g (i32.const 1))) (loop $l (br_if $l (i32.const 1))) (if (i32.const 1) (then (br $b)) (else (return (i32.const 2)))))
    (block $c (result i32) (br 1 (i32.const 4)) (br_if 1 (i32.const 5) (i32.const 1)) (unreachable)))
    (func $g (param i32) (result i32) (return (local.get 0)) (br_if 0 (i32.const 1) (i32.const 0)))`,
  "loops in loops that end by the one before": `(func (export "f") (param i32) (result i32) (local i32)
    (block $out (loop $l0 (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $out (i32.gt_u (local.get 1) (i32.add (local.get 0) (i32.const 25))))
      ${Array.from(
        { length: 20 },
        (_, i) => `(loop $l${i + 1} (local.set 1 (i32.add (local.get 1) (i32.const 1)))
        (if (i32.gt_u (local.get 1) (i32.const ${i + 3})) (then) (else (br $l${i}))) `,
      ).join(" ")}
      (br $l0) ${")".repeat(20)}))
    (local.get 1))`,
  "recursion, direct and mutual": `(func $odd (param i32) (result i32)
      (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
    (func $even (param i32) (result i32)
      (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
    (func (export "f") (param i32) (result i32)
      (i32.add (call $even (i32.add (local.get 0) (i32.const 50))) (call $odd (i32.const 33))))`,
  "calls through tables and references": `(type $t (func (param i32) (result i32)))
    (table 2 funcref) (elem (i32.const 0) $a $b) (elem declare func $b $c)
    (func $a (type $t) (i32.add (local.get 0) (i32.const 1)))
    (func $b (type $t) (return_call_indirect (type $t) (i32.mul (local.get 0) (i32.const 2)) (i32.const 0)))
    (func $c (type $t) (return_call_ref $t (local.get 0) (ref.func $b)))
    (func (export "f") (param i32) (result i32)
      (i32.add (call_indirect (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 1))) (call_ref $t (local.get 0) (ref.func $c))))`,
  "several results, through blocks and calls": `(func $two (param i32) (result i32 i64 f32) (local.get 0) (i64.const 5) (f32.const 2))
    (func $pass (param i32) (result i32 i64 f32) (if (local.get 0) (then (return (call $two (local.get 0))))) (br 0 (call $two (i32.const 7))))
    (func (export "f") (param i32) (result i32)
      (call $pass (local.get 0)) (block (param i32 i64 f32) (result i32) (drop) (drop)))`,
  "exceptions caught, rethrown and let through": `(tag $e (param i32)) (tag $n)
    (func $throw (param i32) (if (local.get 0) (then (throw $e (local.get 0)))) (throw $n))
    (func $deep (param i32) (result i32) (call $throw (local.get 0)) (i32.const 1))
    (func (export "f") (param i32) (result i32) (local i32)
      (loop $again
        (block $n (local.set 1 (i32.add (local.get 1) (block $e (result i32)
          (try_table (catch $e $e) (catch $n $n) (drop (call $deep (i32.and (local.get 0) (i32.const 3)))))
          (i32.const 100)))) )
        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get 0) (i32.const 9))))
      (block $x (result exnref) (try_table (catch_all_ref $x) (call $throw (i32.const 0))) (return (i32.const 0)))
      (throw_ref))
    (func (export "g") (param i32) (result i32) (block $h (try_table (catch_all $h) (drop (call $deep (local.get 0))))) (local.get 0))`,
  "a label that both branches and exceptions reach": `(tag $e) (func $t (param i32) (if (local.get 0) (then (throw $e))))
    (func (export "f") (param i32) (result i32)
      (block $h
        (br_if $h (i32.eqz (local.get 0)))
        (try_table (catch $e $h) (call $t (i32.sub (local.get 0) (i32.const 1))) (br_if $h (i32.eq (local.get 0) (i32.const 3))))
        (local.set 0 (i32.mul (local.get 0) (i32.const 10))))
      (loop $l (try_table (catch $e $l) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (call $t (i32.gt_s (local.get 0) (i32.const 0)))))
      (i32.add (local.get 0) (i32.const 1)))
    (func (export "g") (param i32) (try_table (catch $e 0) (call $t (local.get 0))) (call $t (local.get 0)))`,
  "legacy exceptions": `(tag $e (param i32)) (func $t (param i32) (if (local.get 0) (then (throw $e (local.get 0)))))
    (func (export "f") (param i32) (result i32)
      try (result i32) local.get 0 call $t i32.const 5 catch $e i32.const 1 i32.add end)
    (func (export "g") (param i32) (result i32)
      try (result i32)
        try local.get 0 call $t try i32.const 2 call $t delegate 1 catch_all rethrow 0 end
        i32.const 8
      catch $e end)
    (func (export "h") (param i32)
      loop try local.get 0 i32.const 1 i32.sub local.tee 0 call $t catch $e drop br 1 catch_all end end)`,
  "sized operators": `(memory 1 4) (table $t 4 20 funcref) (data $d "0123456789abcdef") (elem $s funcref (ref.null func) (ref.null func))
    (type $a (array (mut i8))) (type $v (struct (field i32 i64 f64)))
    (func (export "f") (param i32) (result i32)
      (memory.fill (i32.const 0) (i32.const 1) (i32.mul (local.get 0) (i32.const 1000)))
      (memory.copy (i32.const 8) (i32.const 0) (i32.mul (local.get 0) (i32.const 999)))
      (memory.init $d (i32.const 0) (i32.const 0) (local.get 0))
      (table.init $t $s (i32.const 0) (i32.const 0) (i32.and (local.get 0) (i32.const 1)))
      (table.copy (i32.const 0) (i32.const 1) (i32.and (local.get 0) (i32.const 1)))
      (drop (struct.new_default $v))
      (drop (array.new_fixed $a 3 (i32.const 1) (i32.const 2) (i32.const 3)))
      (i32.add (i32.add (memory.grow (local.get 0)) (table.grow $t (ref.null func) (local.get 0)))
        (array.len (array.new_default $a (local.get 0)))))`,
} as const;

for (const [name, fields] of Object.entries(SHAPES)) {
  test(`instrument() charges ${name} as the operators say`, async () => {
    expect(compareRuns(await assemble(`(module ${fields})`))?.differences).toEqual([]);
  });
}

const MODULES = 24;

test("instrument() charges generated modules as the operators say", async () => {
  const generator = await createGenerator();
  let returned = 0;
  try {
    for (let seed = 1; seed <= MODULES; seed += 1) {
      const compared = compareRuns(generator.generate(seed) ?? new Uint8Array());
      expect(compared?.differences ?? []).toEqual([]);
      returned += compared?.returned ?? 0;
    }
  } finally {
    generator.close();
  }
  expect(returned).toBeGreaterThan(MODULES);
});
