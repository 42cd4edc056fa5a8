/**
 * Ways of having a host hold more than was granted, a guest for each. `run` with 0 does nothing at all; with 1 it takes
 * what it can, keeps it, and then computes for as long as it is let.
 */
import type { SandboxComponent } from "../../../src/ports/index.ts";
import { componentOf, LOG_IMPORT } from "../../support/components.ts";

/** A guest that takes memory. */
export interface Greed {
  readonly name: string;
  readonly component: SandboxComponent;
}

const START = `(if (i32.eqz (local.get 0)) (then (return)))`;
const SPIN = `loop $spin br $spin end`;
const RUN = `(func (export "run") (param "n" u32) (canon lift (core func $guest "run")))`;

/** A component of one core module whose `run` does something, and then spins. @param before of `run` in the module */
const takes = (before: string, body: string, after = SPIN) => `(component
  (core module $guest ${before}
    (func (export "run") (param i32) (local $i i32) ${START} ${body} ${after}))
  (core instance $guest (instantiate $guest))
  ${RUN})`;

const times = (count: number, body: string) => `
  (local.set $i (i32.const 0))
  loop $again
    ${body}
    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count})))
  end`;

/** Grows until it is refused, and writes to each page. */
const GROWS = takes(
  `(memory 1)`,
  `loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))) end
   (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))`,
);

const TABLES = takes(
  Array.from({ length: 8 }, (_, index) => `(table $t${index} 0 funcref)`).join(" ") +
    ` (func $f) (elem declare func $f)`,
  Array.from({ length: 8 }, (_, index) =>
    times(40, `(drop (table.grow $t${index} (ref.func $f) (i32.const 8192)))`),
  ).join("\n"),
);

const CHAIN = takes(
  `(type $node (struct (field (ref null $node)) (field i64 i64 i64 i64 i64 i64)))
   (global $head (mut (ref null $node)) (ref.null $node))`,
  `loop $for-ever
    (global.set $head (struct.new $node (global.get $head)
      (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))
    br $for-ever
  end`,
  "",
);

const ARRAYS = takes(
  `(type $array (array (mut i64))) (table $kept 4096 anyref)`,
  times(4096, `(table.set $kept (local.get $i) (array.new $array (i64.const 1) (i32.const 131072)))`),
);

const ONE_ARRAY = takes(
  `(type $array (array (mut i64))) (global $kept (mut anyref) (ref.null any))`,
  `(global.set $kept (array.new $array (i64.const 1) (i32.const 60000000)))`,
);

const EXCEPTIONS = takes(
  `(tag $e (param i64 i64 i64 i64)) (type $node (struct (field (ref null $node)) (field (ref null exn))))
   (global $head (mut (ref null $node)) (ref.null $node))
   (func $one (result (ref null exn))
     block $caught (result exnref)
       try_table (catch_all_ref $caught) (throw $e (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) end
       unreachable
     end)`,
  `loop $for-ever
    (global.set $head (struct.new $node (global.get $head) (call $one)))
    br $for-ever
  end`,
  "",
);

const HANDLES = `(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core module $guest (import "" "new" (func $new (param i32) (result i32)))
    (func (export "run") (param i32) (local $i i32) ${START} ${times(99_000, "(drop (call $new (local.get $i)))")} ${SPIN}))
  (core instance $guest (instantiate $guest (with "" (instance (export "new" (func $new))))))
  ${RUN})`;

const CHANNELS = `(component
  (type $s (stream u8))
  (core func $new (canon stream.new $s))
  (core func $set (canon waitable-set.new))
  (core func $join (canon waitable.join))
  (core module $guest
    (import "" "new" (func $new (result i64))) (import "" "set" (func $set (result i32)))
    (import "" "join" (func $join (param i32 i32)))
    (func (export "run") (param i32) (local $i i32) ${START}
      ${times(33_000, "(call $join (i32.wrap_i64 (call $new)) (call $set))")} ${SPIN}))
  (core instance $guest (instantiate $guest (with "" (instance
    (export "new" (func $new)) (export "set" (func $set)) (export "join" (func $join))))))
  (func (export "run") async (param "n" u32) (canon lift (core func $guest "run"))))`;

/** Tasks that wait at the bottom of a deep stack, nine hundred of them. */
const STACKS = `(component
  (component $sleeper
    (core module $lib (memory (export "m") 1))
    (core instance $lib (instantiate $lib))
    (alias core export $lib "m" (core memory $m))
    (core func $set (canon waitable-set.new))
    (core func $wait (canon waitable-set.wait (memory $m)))
    (core module $guest
      (import "" "set" (func $set (result i32))) (import "" "wait" (func $wait (param i32 i32) (result i32)))
      (import "" "m" (memory 1))
      (func $deep (param i32) (result i64) ${Array.from({ length: 60 }, (_, index) => `(local $l${index} i64)`).join(" ")}
        (if (i32.eqz (local.get 0)) (then (return (i64.extend_i32_u (call $wait (call $set) (i32.const 0))))))
        ${Array.from({ length: 60 }, (_, index) => `(local.set $l${index} (i64.extend_i32_u (i32.mul (local.get 0) (i32.const ${index + 3}))))`).join("\n")}
        (i64.store (i32.const 64) (call $deep (i32.sub (local.get 0) (i32.const 1))))
        ${Array.from({ length: 60 }, (_, index) => `(i64.store (i32.const ${72 + index * 8}) (local.get $l${index}))`).join("\n")}
        (i64.load (i32.const 64)))
      (func (export "sleep") (drop (call $deep (i32.const 700)))))
    (core instance $guest (instantiate $guest (with "" (instance
      (export "set" (func $set)) (export "wait" (func $wait)) (export "m" (memory $m))))))
    (func (export "sleep") async (canon lift (core func $guest "sleep") async)))
  (component $caller
    (import "sleep" (func $sleep async))
    (core func $sleep (canon lower (func $sleep) async))
    (core module $guest (import "" "sleep" (func $sleep (result i32)))
      (func (export "run") (param i32) (local $i i32) ${START} ${times(900, "(drop (call $sleep))")} ${SPIN}))
    (core instance $guest (instantiate $guest (with "" (instance (export "sleep" (func $sleep))))))
    (func (export "run") async (param "n" u32) (canon lift (core func $guest "run"))))
  (instance $s (instantiate $sleeper))
  (instance $c (instantiate $caller (with "sleep" (func $s "sleep"))))
  (export "run" (func $c "run")))`;

/** Many core instances, each with a memory and a table of its own. */
const INSTANCES = `(component
  (core module $m (memory 1) (table 2000 funcref) (func $f) (elem declare func $f)
    (func (export "run") (param i32) ${START}
      (drop (memory.grow (i32.const 1))) (table.fill (i32.const 0) (ref.func $f) (i32.const 2000)) ${SPIN}))
  ${Array.from({ length: 120 }, (_, index) => `(core instance $i${index} (instantiate $m))`).join("\n")}
  (func (export "run") (param "n" u32) (canon lift (core func $i0 "run"))))`;

/** Hands its host texts of many megabytes, of letters that take two bytes there. */
const TEXTS = `(component ${LOG_IMPORT}
  (core module $libc (memory (export "memory") 200)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $write (canon lower (func $write) (memory $memory) (realloc (core func $libc "realloc"))))
  (core module $guest (import "" "write" (func $write (param i32 i32 i32 i32 i32 i32))) (import "" "m" (memory 200))
    (func (export "run") (param i32) (local $i i32) ${START}
      ;; U+0101, again and again.
      (local.set $i (i32.const 1024))
      loop $fill
        (i32.store16 (local.get $i) (i32.const 0x81c4))
        (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 2))) (i32.const 12000000)))
      end
      ${times(20, `(call $write (i32.const 0) (i32.const 1024) (i32.const 11000000) (i32.const 0) (i32.const 0) (i32.const 16))`)}
      ${SPIN}))
  (core instance $guest (instantiate $guest (with "" (instance
    (export "write" (func $write)) (export "m" (memory $memory))))))
  ${RUN})`;

/** Returns a list that is a hundred times larger here than there. */
const returns = (type: string, count: number, bytes: number) => `(component
  (core module $guest (memory (export "m") ${Math.ceil((count * bytes + 65536) / 65536)})
    (func (export "run") (param i32) (result i32)
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (select (i32.const ${count}) (i32.const 0) (local.get 0)))
      i32.const 0))
  (core instance $guest (instantiate $guest))
  ${type}
  (func (export "run") (param "n" u32) (result $t) (canon lift (core func $guest "run")
    (memory (core memory $guest "m")))))`;

/** A function of a megabyte, which its host has to compile, and then to compile well. */
const LARGE = takes(
  `(func $large (param i64) (result i64) ${Array.from({ length: 200 }, (_, index) => `(local $l${index} i64)`).join(" ")}
    ${Array.from(
      { length: 60_000 },
      (_, index) =>
        `(local.set $l${index % 200} (i64.add (i64.mul (local.get $l${(index * 7) % 200}) (local.get 0)) (local.get $l${(index * 13) % 200})))`,
    ).join("\n")}
    local.get $l0)
   (global $sum (mut i64) (i64.const 0))`,
  `loop $for-ever (global.set $sum (call $large (global.get $sum))) br $for-ever end`,
  "",
);

/** Assembles all of them. */
export async function openGreed(): Promise<readonly Greed[]> {
  const ways: readonly (readonly [name: string, wat: string])[] = [
    ["grows its memory to the last page", GROWS],
    ["fills tables", TABLES],
    ["links objects of the collector's heap", CHAIN],
    ["keeps arrays of a megabyte each", ARRAYS],
    ["makes one array of 480 MB", ONE_ARRAY],
    ["keeps exceptions", EXCEPTIONS],
    ["makes handles", HANDLES],
    ["makes streams and sets", CHANNELS],
    ["has 900 tasks wait at the bottom of deep stacks", STACKS],
    ["has 120 core instances with memories and tables", INSTANCES],
    ["hands texts over", TEXTS],
    ["returns a list of tuples", returns(`(type $p (tuple u8 u8)) (type $t (list $p))`, 500_000, 2)],
    ["returns a list of empty texts", returns(`(type $t (list string))`, 500_000, 8)],
    ["returns a list of bytes", returns(`(type $t (list u8))`, 12_000_000, 1)],
    ["has a function of a megabyte compiled", LARGE],
  ];
  return Promise.all(ways.map(async ([name, wat]) => ({ name, component: await componentOf(wat) })));
}
