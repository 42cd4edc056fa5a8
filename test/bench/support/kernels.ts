/** Small programs that a meter could slow down in different ways. Each exports `run(i32) -> i32`. */

/** One of them. */
export interface Kernel {
  readonly name: string;
  /** What it stresses. */
  readonly about: string;
  readonly wat: string;
  /** Chosen so that one call takes some milliseconds. */
  readonly argument: number;
}

/** All of them. */
export const KERNELS: readonly Kernel[] = [
  {
    name: "fib",
    about: "calls and little else",
    argument: 27,
    wat: `(module (func $fib (export "run") (param i32) (result i32)
      (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
        (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                       (call $fib (i32.sub (local.get 0) (i32.const 2))))))))`,
  },
  {
    name: "tight loop",
    about: "two operators per turn: the worst case of a charge per back-edge",
    argument: 4_000_000,
    wat: `(module (func (export "run") (param i32) (result i32) (local i32)
      (loop $l
        (local.set 1 (i32.xor (local.get 1) (local.get 0)))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get 1)))`,
  },
  {
    name: "fnv1a",
    about: "a byte loop over memory, as hashes are",
    argument: 2_000_000,
    wat: `(module (memory 1) (func (export "run") (param i32) (result i32) (local $h i32) (local $i i32)
      (local.set $h (i32.const 0x811c9dc5))
      (loop $l
        (local.set $h (i32.mul (i32.xor (local.get $h)
          (i32.load8_u (i32.and (local.get $i) (i32.const 0xffff)))) (i32.const 0x01000193)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
      (local.get $h)))`,
  },
  {
    name: "matrix",
    about: "three nested loops of f64 arithmetic",
    argument: 120,
    wat: `(module (memory 8) (func (export "run") (param $n i32) (result i32)
      (local $i i32) (local $j i32) (local $k i32) (local $sum f64)
      (loop $a (local.set $j (i32.const 0))
        (loop $b (local.set $k (i32.const 0)) (local.set $sum (f64.const 0))
          (loop $c
            (local.set $sum (f64.add (local.get $sum) (f64.mul
              (f64.load (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $k)) (i32.const 3)))
              (f64.load (i32.shl (i32.add (i32.mul (local.get $k) (local.get $n)) (local.get $j)) (i32.const 3))))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $c (i32.lt_u (local.get $k) (local.get $n))))
          (f64.store offset=262144 (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $j)) (i32.const 3))
            (local.get $sum))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $b (i32.lt_u (local.get $j) (local.get $n))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $a (i32.lt_u (local.get $i) (local.get $n))))
      (i32.trunc_sat_f64_s (local.get $sum))))`,
  },
  {
    name: "dispatch",
    about: "a br_table per turn, as interpreters are",
    argument: 1_000_000,
    wat: `(module (func (export "run") (param $n i32) (result i32) (local $x i32)
      (loop $l
        (block $done (block $d (block $c (block $b (block $a
          (br_table $a $b $c $d (i32.and (local.get $x) (i32.const 3))))
          (local.set $x (i32.add (local.get $x) (i32.const 5))) (br $done))
          (local.set $x (i32.mul (local.get $x) (i32.const 3))) (br $done))
          (local.set $x (i32.xor (local.get $x) (i32.const 0x55))) (br $done))
          (local.set $x (i32.rotl (local.get $x) (i32.const 7))))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x)))`,
  },
];
