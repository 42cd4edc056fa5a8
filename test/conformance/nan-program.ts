/** A program that does nothing but make NaNs and look at their bits: its memory shows the sign and payload of each. */
import type { Program } from "../bench/support/programs.ts";
import { assemble } from "../core/metering/support.ts";

const WAT = `(module (memory (export "memory") 4)
  (global $seed (mut i64) (i64.const 88172645463325252))
  (func $next (result i64)
    (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
    (global.set $seed (i64.xor (global.get $seed) (i64.shr_u (global.get $seed) (i64.const 7))))
    (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 17))))
    (global.get $seed))
  ;; A NaN or an infinity of any sign and payload, three times out of four.
  (func $double (result f64) (local $bits i64)
    (local.set $bits (call $next))
    (if (i64.ne (i64.and (local.get $bits) (i64.const 3)) (i64.const 0))
      (then (local.set $bits (i64.or (local.get $bits) (i64.const 0x7ff0000000000000)))))
    (f64.reinterpret_i64 (local.get $bits)))
  (func $single (result f32) (local $bits i32)
    (local.set $bits (i32.wrap_i64 (call $next)))
    (if (i32.and (local.get $bits) (i32.const 3))
      (then (local.set $bits (i32.or (local.get $bits) (i32.const 0x7f800000)))))
    (f32.reinterpret_i32 (local.get $bits)))
  (func (export "scalars") (param $turns i32) (result i32) (local $at i32) (local $x f64) (local $y f64) (local $a f32) (local $b f32)
    (loop $turn
      (local.set $x (call $double)) (local.set $y (call $double)) (local.set $a (call $single)) (local.set $b (call $single))
      (f64.store offset=0 (local.get $at) (f64.add (local.get $x) (local.get $y)))
      (f64.store offset=8 (local.get $at) (f64.mul (f64.sub (local.get $y) (local.get $x)) (local.get $x)))
      (f64.store offset=16 (local.get $at) (f64.div (f64.min (local.get $x) (local.get $y)) (f64.max (local.get $x) (local.get $y))))
      (f64.store offset=24 (local.get $at) (f64.copysign (f64.const 1) (f64.sqrt (local.get $x))))
      (f64.store offset=32 (local.get $at) (f64.promote_f32 (f32.nearest (f32.add (local.get $a) (local.get $b)))))
      (f32.store offset=40 (local.get $at) (f32.demote_f64 (f64.floor (local.get $y))))
      (f32.store offset=44 (local.get $at) (f32.neg (f32.mul (local.get $a) (local.get $b))))
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 48)) (i32.const 0x1ffff)))
      (br_if $turn (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
    (i32.const 0))
  (func (export "vectors") (param $turns i32) (result i32) (local $at i32) (local $x v128) (local $y v128)
    (loop $turn
      (local.set $x (i64x2.replace_lane 1 (i64x2.splat (i64.reinterpret_f64 (call $double))) (i64.reinterpret_f64 (call $double))))
      (local.set $y (i64x2.replace_lane 1 (i64x2.splat (i64.reinterpret_f64 (call $double))) (i64.reinterpret_f64 (call $double))))
      (v128.store offset=0 (local.get $at) (f64x2.add (local.get $x) (local.get $y)))
      (v128.store offset=16 (local.get $at) (f32x4.mul (local.get $x) (f32x4.sub (local.get $x) (local.get $y))))
      (v128.store offset=32 (local.get $at) (f64x2.max (local.get $x) (f64x2.min (local.get $x) (local.get $y))))
      (v128.store offset=48 (local.get $at) (f32x4.demote_f64x2_zero (f64x2.div (local.get $x) (local.get $y))))
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 64)) (i32.const 0x1ffff)))
      (br_if $turn (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
    (i32.const 0)))`;

/** The program, as those of the benchmark are. */
export async function nanProgram(): Promise<Program> {
  const wasm = await assemble(WAT);
  return {
    suite: "NaNs",
    modules: [wasm],
    workloads: [
      { name: "scalars", size: 200_000 },
      { name: "vectors", size: 200_000 },
    ],
    async instantiate(rewrite, imports) {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(rewrite(wasm)), imports);
      return (name, size) => {
        const run = exports[name];
        if (typeof run !== "function") throw new TypeError(`The program exports no ${name}`);
        return run(size);
      };
    },
  };
}
