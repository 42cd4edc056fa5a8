/** What other toolchains may put into a component, each in the smallest text that holds it: it runs, or says why not. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import type { JsonValue } from "../../src/core/policy/index.ts";
import { componentOf } from "../support/components.ts";
import { WAIT_IMPORTS } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox();
});
afterAll(() => box.close());

/** `f: func() -> u32` around a function body; `more` goes into the core module. */
const core = (body: string, more = "") => `(component
  (core module $m (func (export "f") (result i32) ${body}) ${more})
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))`;

/** `f: func(s: string) -> string`, the identity, in a string encoding. */
const echo = (encoding: string) => `(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "f") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "f") (param "s" string) (result string) (canon lift (core func $i "f")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc")) string-encoding=${encoding})))`;

/** Two versions of one interface, with different items of it: as two vendors' parts composed into one have them. */
const TWO_VERSIONS = `(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $a (export "now" (func (result u64)))))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $b (export "resolution" (func (result u64)))))
  (core func $now (canon lower (func $a "now")))
  (core func $resolution (canon lower (func $b "resolution")))
  (core module $m (import "" "now" (func $now (result i64))) (import "" "resolution" (func $resolution (result i64)))
    (func (export "f") (result i64) (drop (call $now)) (call $resolution)))
  (core instance $i (instantiate $m
    (with "" (instance (export "now" (func $now)) (export "resolution" (func $resolution))))))
  (func (export "f") (result u64) (canon lift (core func $i "f"))))`;

const CLOCK_AT_START = `(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $a (export "resolution" (func (result u64)))))
  (core func $resolution (canon lower (func $a "resolution")))
  (core module $m (import "" "resolution" (func $resolution (result i64)))
    (global $seen (mut i64) (i64.const 0))
    (func $begin (global.set $seen (call $resolution)))
    (start $begin)
    (func (export "f") (result i64) (global.get $seen)))
  (core instance $i (instantiate $m (with "" (instance (export "resolution" (func $resolution))))))
  (func (export "f") (result u64) (canon lift (core func $i "f"))))`;

const NESTED = `(component
  (component $inner
    (core module $m (func (export "f") (result i32) i32.const 40))
    (core instance $i (instantiate $m))
    (func $f (result u32) (canon lift (core func $i "f")))
    (export "get" (func $f)))
  (component $outer
    (import "get" (func $get (result u32)))
    (core func $lowered (canon lower (func $get)))
    (core module $m (import "x" "get" (func $g (result i32)))
      (func (export "f") (result i32) (i32.add (call $g) (i32.const 2))))
    (core instance $i (instantiate $m (with "x" (instance (export "get" (func $lowered))))))
    (func $f (result u32) (canon lift (core func $i "f")))
    (export "f" (func $f)))
  (instance $a (instantiate $inner))
  (instance $b (instantiate $outer (with "get" (func $a "get"))))
  (export "f" (func $b "f")))`;

/** An interface with a resource, its constructor and method, and one function that JSON can call. */
const RESOURCE = `(component
  (core module $m (func (export "f") (result i32) i32.const 1) (func (export "dtor") (param i32)))
  (core instance $i (instantiate $m))
  (type $r (resource (rep i32) (dtor (core func $i "dtor"))))
  (core func $new (canon resource.new $r))
  (core module $n (import "" "new" (func $new (param i32) (result i32)))
    (func (export "make") (result i32) (call $new (i32.const 5))) (func (export "take") (param i32)))
  (core instance $j (instantiate $n (with "" (instance (export "new" (func $new))))))
  (func $make (result (own $r)) (canon lift (core func $j "make")))
  (func $take (param "self" (borrow $r)) (canon lift (core func $j "take")))
  (func $f (result u32) (canon lift (core func $i "f")))
  (component $c
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (result (own $r))))
    (import "take" (func $take (param "self" (borrow $r))))
    (import "f" (func $f (result u32)))
    (export $re "r" (type $r))
    (export "[static]r.make" (func $make) (func (result (own $re))))
    (export "[method]r.take" (func $take) (func (param "self" (borrow $re))))
    (export "f" (func $f)))
  (instance $e (instantiate $c
    (with "r" (type $r)) (with "make" (func $make)) (with "take" (func $take)) (with "f" (func $f))))
  (export "guests:text/things@0.1.0" (instance $e)))`;

/** `wasi:cli/run`, ended by `exit`: as every command of Go and C ends. */
const exits = (status: number) => `(component
  (import "wasi:cli/exit@0.2.0" (instance $cli (export "exit" (func (param "status" (result))))))
  (core func $exit (canon lower (func $cli "exit")))
  (core module $m (import "" "exit" (func $exit (param i32)))
    (func (export "run") (result i32) (call $exit (i32.const ${status})) unreachable))
  (core instance $i (instantiate $m (with "" (instance (export "exit" (func $exit))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (component $c (import "run" (func $run (result (result)))) (export "run" (func $run)))
  (instance $e (instantiate $c (with "run" (func $run))))
  (export "wasi:cli/run@0.2.0" (instance $e))
  (export "run" (func $run)))`;

/** `f` is called after a start function that waited for a millisecond. */
const WAITS_AT_START = `(component
${WAIT_IMPORTS}
  (core module $m
    (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "h" "block" (func $block (param i32)))
    (global $waited (mut i32) (i32.const 0))
    (func $start (call $block (call $subscribe (i64.const 1000000))) (global.set $waited (i32.const 1)))
    (start $start)
    (func (export "f") (result i32) (global.get $waited)))
  (core instance $i (instantiate $m (with "h" (instance
    (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))`;

describe("a component with", () => {
  const runs: readonly (readonly [what: string, wat: string, output: JsonValue, input?: JsonValue])[] = [
    ["utf8 strings", echo("utf8"), "hé😀", { s: "hé😀" }],
    ["utf16 strings", echo("utf16"), "hé😀", { s: "hé😀" }],
    ["latin1+utf16 strings", echo("latin1+utf16"), "hé😀", { s: "hé😀" }],
    ["latin1+utf16 strings that are latin1", echo("latin1+utf16"), "hé", { s: "hé" }],
    ["exceptions", core("(block $h (try_table (catch_all $h) (throw $t))) i32.const 4", "(tag $t)"), 4],
    ["several memories", core("i32.const 1", "(memory 1) (memory 1)"), 1],
    ["SIMD", core("(i32x4.extract_lane 0 (v128.const i32x4 9 0 0 0))"), 9],
    ["tail calls", core("return_call $g", "(func $g (result i32) i32.const 3)"), 3],
    [
      "structs of the GC",
      core("(struct.get $s 0 (struct.new $s (i32.const 5)))", "(type $s (struct (field i32)))"),
      5,
    ],
    ["a 64-bit memory", core("i32.const 1", "(memory i64 1)"), 1],
    ["several results", core("(call $p) i32.add", "(func $p (result i32 i32) i32.const 1 i32.const 2)"), 3],
    ["components in it", NESTED, 42],
    ["a resource that it exports", RESOURCE, 1],
    ["two versions of one import", TWO_VERSIONS, 1_000_000],
    ["an import called while it starts", CLOCK_AT_START, 1_000_000],
    ["an import that waits while it starts", WAITS_AT_START, 1],
  ];
  const cases = runs.map(([what, wat, output, input = {}]) => ({ what, wat, output, input }));
  it.each(cases)("$what runs", async ({ wat, output, input }) => {
    const end = await box.call(await componentOf(wat), "f", input);
    expect(end).toMatchObject({ outcome: { kind: "completed" }, output });
  });

  const refused: readonly (readonly [what: string, wat: string, reason: RegExp])[] = [
    [
      "relaxed SIMD",
      core("(i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 9 0 0 0)))"),
      /relaxed SIMD/,
    ],
    ["a shared memory", core("i32.const 1", "(memory 1 1 shared)"), /shared memory \(threads\)/],
    [
      "a vendor's own import",
      '(component (import "acme:billing/charge@1.0.0" (instance (export "pay" (func (param "cents" u64))))))',
      /"acme:billing\/charge@1\.0\.0": the interface .* is not offered/,
    ],
    [
      "a release candidate of WASI 0.3",
      '(component (import "wasi:sockets/ip-name-lookup@0.3.0-rc-1" (instance (export "resolve" (func)))))',
      /is offered as .*ip-name-lookup@0\.\S+, wasi:sockets\/\S+ only; build it with bindings of the release; .* capability sockets, unlocked by sockets/,
    ],
    [
      "an import that is async",
      '(component (import "wasi:clocks/monotonic-clock@0.2.12" (instance (export "now" (func async (result u64))))))',
      /imported async, offered not async/,
    ],
    [
      "an import of the world itself",
      '(component (import "log" (func (param "s" string))))',
      /"\$root": log: the function is not offered/,
    ],
    [
      "a built-in of threads",
      "(component (core func (canon thread.available_parallelism)))",
      /thread\.available-parallelism is not supported; build the component without threads/,
    ],
    [
      "a type of threads",
      "(component (core type $s (shared (func (param i32)))))",
      /a shared core type is not supported; build the component without threads/,
    ],
    [
      "an error context",
      "(component (core func (canon error-context.drop)))",
      /uses error-context\.drop, which is not supported; build it with bindings that do without/,
    ],
    ["a core module as import", '(component (import "m" (core module)))', /is of the sort module/],
  ];
  it.each(refused)("%s is refused with a reason", async (_what, wat, reason) => {
    const attempt = async () => box.sandbox.prepare(await componentOf(wat), 1 << 24);
    const error = await attempt().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: "component-refused", message: expect.stringMatching(reason) });
  });
});

describe("exit()", () => {
  const ends = [
    ["success is how a command completes", 0, "wasi:cli/run@0.2.0", { kind: "completed" }],
    ["failure is how a command fails", 1, "wasi:cli/run@0.2.0", { kind: "failed", error: null }],
    ["success traps where a value was awaited", 0, null, { kind: "trapped", reason: "exited-with-code-0" }],
    ["failure traps where a value was awaited", 1, null, { kind: "trapped", reason: "exited-with-code-1" }],
  ] as const;
  it.each(ends)("with %s", async (_what, status, scope, outcome) => {
    const component = await componentOf(exits(status));
    const narrowed = { ...component, exports: component.exports.filter((it) => it.interface === scope) };
    expect((await box.call(narrowed, "run", {})).outcome).toEqual(outcome);
  });
});
