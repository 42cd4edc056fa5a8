/**
 * Code that is written to get much time for few units: each an export `f` that takes a number of turns, and sometimes a
 * `before` that is no part of what is measured. One for each way to be slow that is known: what the processor waits for, what the
 * engine does in its own functions, what the system does for it.
 */

/** Fields of modules, by what they do. The first is what ordinary code is like. */
export const DEAR_CODE: Readonly<Record<string, string>> = {
  arithmetic: turns("i32", `(local.set $s (i32.add (local.get $s) (i32.mul (local.get $n) (local.get $s))))`),
  "branches that nobody foresees": turns(
    "i32",
    times(
      8,
      `${draw()} (if (i32.and (local.get $s) (i32.const 65536))
    (then (local.set $q (i32.add (local.get $q) (i32.const 1)))))`,
    ),
  ),
  "calls by way of a table, to one of 16": `(type $t (func)) ${functions(16, "(type $t)")}
    (table funcref (elem ${names(16)})) ${turns(
      "i32",
      times(
        8,
        `${draw()}
    (call_indirect (type $t) (i32.and (i32.shr_u (local.get $s) (i32.const 16)) (i32.const 15)))`,
      ),
    )}`,
  "a jump to one of 3,000": turns(
    "i32",
    `${draw()} ${"(block ".repeat(3000)}
    (br_table ${Array.from({ length: 3000 }, (_, i) => i).join(" ")} (i32.rem_u (i32.shr_u (local.get $s) (i32.const 8)) (i32.const 3000)))
    ${")".repeat(3000)}`,
  ),
  "loads from all over 64 MB": `(memory 1024)
    (func (export "before") (memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864))) ${turns(
      "i32",
      times(
        8,
        `(local.set $s (i32.add (i32.load
    (i32.and (local.get $s) (i32.const 0x3fffffc))) (i32.add (i32.mul (local.get $s) (i32.const 1664525)) (i32.const 1013904223))))`,
      ),
    )}`,
  "loads across two lines of a cache": `(memory 2) ${turns(
    "i64",
    times(
      8,
      `(i64.store offset=61
    (i32.and (local.get $n) (i32.const 0xffc0)) (local.get $s))
    (local.set $s (i64.load offset=60 (i32.and (local.get $n) (i32.const 0xffc0))))`,
    ),
  )}`,
  "divisions, one waiting for the other": turns(
    "i64",
    times(
      8,
      `(local.set $s (i64.rem_s (i64.const -9000000000000000000)
    (i64.or (local.get $s) (i64.const 3))))`,
    ),
  ),
  "square roots, likewise": turns(
    "f64",
    times(8, `(local.set $s (f64.sqrt (f64.add (local.get $s) (f64.const 2))))`),
  ),
  "vectors of square roots": turns("v128", times(8, `(local.set $s (f64x2.sqrt (local.get $s)))`)),
  "vectors made integers": turns(
    "v128",
    times(8, `(local.set $s (f32x4.convert_i32x4_u (i32x4.trunc_sat_f32x4_u (local.get $s))))`),
  ),
  "calls with 900 results": `(func $g (result ${times(900, "i32")}) ${times(900, "(i32.const 1)")})
    ${turns("i32", `(call $g) ${times(900, "drop")}`)}`,
  "a throw, caught": `(tag $t) ${turns("i32", `(block $h (try_table (catch $t $h) (throw $t)))`)}`,
  "a throw through 50 frames": thrown(50),
  "a throw through 2,000 frames": thrown(2000),
  "a throw and 200 that throw it again": `(tag $t) (func $d (param i32) (if (local.get 0) (then (throw_ref (block $x (result exnref)
    (try_table (catch_all_ref $x) (call $d (i32.sub (local.get 0) (i32.const 1)))) (return))))) (throw $t))
    ${turns("i32", `(block $h (try_table (catch_all $h) (call $d (i32.const 200))))`)}`,
  "memory.copy of 32 MB": `(memory 1024) ${turns("i32", `(memory.copy (i32.const 33554432) (i32.const 0) (i32.const 33554432))`)}`,
  "memory.init of 0": `(memory 1) (data $d "abc") ${turns("i32", `(memory.init $d (local.get $s) (i32.const 0) (i32.const 0))`)}`,
  "memory.grow by 0": `(memory 1) ${turns("i32", `(local.set $s (memory.grow (i32.const 0)))`)}`,
  "data.drop": `(memory 1) (data $d "abc") ${turns("i32", times(8, "(data.drop $d)"))}`,
  "table.set of two functions": `(table 8 funcref) (func $g) (func $h (param i32)) (elem declare func $g $h)
    ${turns("i32", times(4, "(table.set (i32.const 0) (ref.func $g)) (table.set (i32.const 0) (ref.func $h))"))}`,
  "table.copy of 1,000": `(func $g) (table 1000 funcref) (elem (i32.const 0) ${times(1000, "$g")})
    ${turns("i32", "(table.copy (i32.const 0) (i32.const 1) (i32.const 999))")}`,
  "table.init of 1,000": `(func $g) (table 1000 funcref) (elem $e funcref ${times(1000, "(ref.func $g)")})
    ${turns("i32", "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1000))")}`,
  "arrays of 16 MB": `(type $a (array (mut v128))) (global $g (mut (ref null $a)) (ref.null $a))
    ${turns("i32", "(global.set $g (array.new_default $a (i32.const 1000000)))")}`,
  "a list that grows": `(type $n (struct (field i32) (field (ref null $n)))) (global $g (mut (ref null $n)) (ref.null $n))
    ${turns("i32", "(global.set $g (struct.new $n (local.get $s) (global.get $g))) (if (i32.eqz (i32.and (local.get $n) (i32.const 0xffff))) (then (global.set $g (ref.null $n))))")}`,
  "64 MB of memory, touched for the first time": `(memory 1024) (func (export "f") (param $n i32)
    (local $s i32) (local.set $n (i32.const 16384)) (loop $turn (i32.store (local.get $s) (i32.const 1))
    (local.set $s (i32.add (local.get $s) (i32.const 4096))) (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`,
};

/** A loop whose local `$s` is seen behind it, so that no engine leaves out what it is made of. */
function turns(type: "i32" | "i64" | "f64" | "v128", body: string): string {
  const zero = type === "v128" ? "v128.const f64x2 3 5" : `${type}.const 0`;
  return `(global $seen (export "seen") (mut ${type}) (${zero}))
    (func (export "f") (param $n i32) (local $s ${type}) (local $q i32)
      (local.set $s (global.get $seen))
      (loop $turn ${body} (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (global.set $seen (local.get $s)) (drop (local.get $q)))`;
}

function thrown(frames: number): string {
  return `(tag $t) (func $d (param i32) (if (local.get 0) (then (call $d (i32.sub (local.get 0) (i32.const 1))) (return))) (throw $t))
    ${turns("i32", `(block $h (try_table (catch $t $h) (call $d (i32.const ${frames}))))`)}`;
}

/** The next number of a generator. */
function draw(): string {
  return "(local.set $s (i32.add (i32.mul (local.get $s) (i32.const 1664525)) (i32.const 1013904223)))";
}

function times(count: number, text: string): string {
  return `${text} `.repeat(count);
}

function functions(count: number, type: string): string {
  return Array.from({ length: count }, (_, i) => `(func $f${i} ${type})`).join(" ");
}

function names(count: number): string {
  return Array.from({ length: count }, (_, i) => `$f${i}`).join(" ");
}
